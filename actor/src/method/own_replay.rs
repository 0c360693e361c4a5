use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_replay::available_memory::ReplayDemand;
use troop_replay::{Drawn, Replay, ReplayRefused, ReplaySettings, WriterId};

use super::batch::Batch;
use super::experience::{ExperienceSink, ExperienceSource};
use super::setting::Setting;
use super::shared_experience::SharedExperience;

/// Experience of methods that learn from a replay, which a worker has for itself: what workers share otherwise, with one
/// writer that also draws. As many batches follow a segment as the replay's rate allows.
#[derive(Debug)]
pub(super) struct OwnReplay {
    replay: Replay,
    writer: WriterId,
    /// Number of the newest segment.
    sequence: u64,
    /// Items of a batch.
    items: usize,
    /// β
    importance_exponent: f64,
    bytes: u64,
    drawn: Option<Drawn>,
    /// Its own, so that what is drawn does not depend on how the worker acts.
    rng: ChaCha8Rng,
}

impl OwnReplay {
    /// As large, and drawn from in the same way, as a shared one, with the same β throughout.
    ///
    /// # Errors
    /// If it is too small for that.
    pub(super) fn new(
        shared: &SharedExperience,
        importance_exponent: f64,
        setting: &mut Setting<'_>,
    ) -> Result<Self, ReplayRefused> {
        let environments = shared.replay.most_environments_per_writer;
        let replay = Replay::new(ReplaySettings {
            most_environments: environments,
            ..shared.replay.clone()
        })?;
        let writer = replay.join(environments);
        Ok(Self {
            writer: writer.expect("room for the only writer"),
            replay,
            sequence: 0,
            items: shared.items,
            importance_exponent,
            bytes: shared.replay.bytes,
            drawn: None,
            rng: ChaCha8Rng::from_rng(setting.rng),
        })
    }

    /// What it will take when it is full.
    pub(super) fn demand(&self) -> ReplayDemand {
        ReplayDemand {
            bytes_per_worker: self.bytes,
            capacity_key: "topology.replay_bytes",
            capacity: usize::try_from(self.bytes).unwrap_or(usize::MAX),
        }
    }
}

impl ExperienceSink for OwnReplay {
    /// A segment that it cannot hold, as of a reward that is no number, is left out, and nothing continues across it.
    fn append(&mut self, segment: &mut Segment) {
        self.sequence += 1;
        let appended = self.replay.append(self.writer, self.sequence, segment);
        if let Err(error) = appended {
            tracing::warn!(%error, "a segment is not remembered");
        }
    }

    fn interrupted(&mut self) {
        let interrupted = self.replay.interrupt(self.writer);
        interrupted.expect("the only writer never leaves");
    }
}

impl ExperienceSource for OwnReplay {
    fn next(&mut self, _: u64, _: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        let (items, beta) = (self.items, self.importance_exponent);
        let drawn = self.replay.draw(items, beta, &mut self.rng);
        let drawn = drawn.expect("no more items than the replay is made for")?;
        Some(Batch::of_items(&self.drawn.insert(drawn).items))
    }

    /// The replay's rate says what is learnt from next, whatever is left out.
    fn leave_rest(&mut self) {}

    fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        self.replay.reprioritise(keys, td_errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{random_segment, seeded, setting, spaces};
    use troop_common::experiment::Experiment;
    use troop_replay::{InitialPriority, ItemKind, Pace, TableKind};

    use super::super::shared_experience::Table;

    /// Room for few segments, of three environments with six steps each.
    fn replay(bytes: u64) -> Result<OwnReplay, ReplayRefused> {
        let spaces = spaces::discrete(3);
        let mut experiment = Experiment::default();
        experiment.environment.envs_per_worker = 3;
        experiment.topology.replay_bytes = bytes;
        let mut rng = seeded(1);
        let mut setting = setting(&experiment, &spaces, &mut rng);
        let table = Table {
            items: ItemKind::Sequences {
                env_steps: 4,
                overlap: 2,
                burn_in: 1,
            },
            kind: TableKind::Prioritized {
                exponent: 0.9,
                epsilon: 1e-6,
                initial: InitialPriority::Largest,
                pace: Pace {
                    start_env_steps: 1,
                    samples_per_insert: None,
                },
            },
            draw: 5,
            behaviour_len: 0,
            state_len: 0,
        };
        let mut shared = SharedExperience::new(&setting, &table);
        shared.replay.most_env_steps_per_append = 18;
        OwnReplay::new(&shared, 0.6, &mut setting)
    }

    #[test]
    fn priorities_of_sequences_that_are_gone_are_counted_and_change_nothing() {
        let (mut own, mut rng) = (replay(60_000).unwrap(), seeded(2));
        own.append(&mut random_segment(&spaces::discrete(3), 1));
        let keys = own.next(0, &mut rng).unwrap().keys().to_vec();
        assert_eq!(keys.len(), 5);
        own.reprioritise(&keys, &[9.0; 5]);
        assert_eq!(own.replay.counts().priorities_of_gone_items, 0);
        while own.replay.counts().items_evicted_undrawn < 60 {
            own.append(&mut random_segment(&spaces::discrete(3), 1));
            assert!(own.sequence < 10_000);
        }
        let held = own.replay.counts().items_held;
        own.reprioritise(&keys, &[9.0; 5]);
        let counts = own.replay.counts();
        assert_eq!(counts.priorities_of_gone_items, 5);
        assert_eq!(counts.items_held, held);
        let drawn = own.next(0, &mut rng).unwrap().keys().to_vec();
        assert!(drawn.iter().all(|key| !keys.contains(key)));
    }

    #[test]
    fn what_it_cannot_hold_is_left_out_and_nothing_continues_across_it() {
        let (mut own, spaces) = (replay(60_000).unwrap(), spaces::discrete(3));
        own.append(&mut random_segment(&spaces, 1));
        let mut broken = random_segment(&spaces, 2);
        broken.rewards[3] = f32::NAN;
        own.append(&mut broken);
        own.append(&mut random_segment(&spaces, 3));
        own.interrupted();
        let counts = own.replay.counts();
        assert_eq!((counts.env_steps_inserted, counts.gaps), (36, 1));
    }

    #[test]
    fn one_without_room_is_refused() {
        let refused = replay(1_000).map(drop).unwrap_err();
        assert!(refused.to_string().contains("1000 bytes"), "{refused}");
    }
}
