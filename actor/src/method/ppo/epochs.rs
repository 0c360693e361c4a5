use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::experiment::PpoSettings;

use crate::method::batch::Batch;
use crate::method::experience::{ExperienceSink, ExperienceSource};
use crate::method::part::Part;
use crate::method::setting::Setting;

/// The segment that was lived through last, several times over. Each time its steps are dealt out to minibatches at
/// random, or its environments, whole in time, if networks have recurrent state.
#[derive(Debug)]
pub(super) struct Epochs {
    epochs: usize,
    minibatches: usize,
    deals_environments: bool,
    segment: Segment,
    /// Minibatches that are still to be given.
    left: usize,
    /// What is dealt out, in the order of this epoch.
    order: Vec<usize>,
    /// Of the minibatch that was given last.
    rows: Vec<usize>,
}

impl Epochs {
    /// With nothing in it yet.
    pub(super) fn new(settings: &PpoSettings, setting: &Setting<'_>) -> Self {
        let environments = setting.experiment.environment.envs_per_worker;
        Self {
            epochs: settings.epochs,
            minibatches: settings.minibatches,
            deals_environments: setting.experiment.model.lstm.is_some(),
            segment: Segment::new(environments, setting.spaces),
            left: 0,
            order: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn all(&self) -> usize {
        self.epochs * self.minibatches
    }

    fn shuffle(&mut self, rng: &mut ChaCha8Rng) {
        let dealt = match self.deals_environments {
            true => self.segment.environments,
            false => self.segment.len(),
        };
        self.order.clear();
        self.order.extend(0..dealt);
        self.order.shuffle(rng);
    }

    /// Takes the rows of one of the epoch's minibatches. Some have one more than others if there is a rest.
    fn deal(&mut self, minibatch: usize) {
        let bound = |minibatch: usize| self.order.len() * minibatch / self.minibatches;
        let own = &self.order[bound(minibatch)..bound(minibatch + 1)];
        self.rows.clear();
        if self.deals_environments {
            let environments = self.segment.environments;
            let steps = (0..self.segment.len()).step_by(environments);
            self.rows
                .extend(steps.flat_map(|step| own.iter().map(move |e| step + e)));
        } else {
            self.rows.extend_from_slice(own);
        }
        // In the order of memory and of time.
        self.rows.sort_unstable();
    }
}

impl ExperienceSink for Epochs {
    fn append(&mut self, segment: &mut Segment) {
        std::mem::swap(&mut self.segment, segment);
        self.left = self.all();
    }
}

impl ExperienceSource for Epochs {
    fn next(&mut self, _: u64, rng: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        let given = self.all() - self.left;
        self.left = self.left.checked_sub(1)?;
        let minibatch = given % self.minibatches;
        if minibatch == 0 {
            self.shuffle(rng);
        }
        self.deal(minibatch);
        Some(Batch::Part(Part {
            segment: &self.segment,
            rows: &self.rows,
            is_first: given == 0,
        }))
    }

    fn leave_rest(&mut self) {
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{random_segment, seeded, setting, spaces};
    use troop_common::experiment::Experiment;
    use troop_common::spaces::Spaces;

    /// Of three environments, 18 rows.
    fn epochs(epochs: usize, minibatches: usize, lstm: Option<usize>) -> (Epochs, Spaces) {
        let spaces = spaces::discrete(3);
        let mut experiment = Experiment::default();
        experiment.environment.envs_per_worker = 3;
        experiment.model.lstm = lstm;
        let settings = PpoSettings {
            epochs,
            minibatches,
            ..PpoSettings::default()
        };
        let made = Epochs::new(&settings, &setting(&experiment, &spaces, &mut seeded(1)));
        (made, spaces)
    }

    /// The rows of all that follows a segment, and which of them said that they are the first.
    fn given(epochs: &mut Epochs, seed: u64) -> (Vec<Vec<usize>>, Vec<usize>) {
        let (mut rows, mut first, mut rng) = (Vec::new(), Vec::new(), seeded(seed));
        while let Some(batch) = epochs.next(0, &mut rng) {
            let part = batch.part().unwrap();
            if part.is_first {
                first.push(rows.len());
            }
            rows.push(part.rows.to_vec());
        }
        (rows, first)
    }

    #[test]
    fn each_epochs_minibatches_have_every_step_once() {
        for (minibatches, lstm) in [
            (1, None),
            (4, None),
            (7, None),
            (18, None),
            (1, Some(2)),
            (2, Some(2)),
            (3, Some(2)),
        ] {
            let (mut epochs, spaces) = epochs(5, minibatches, lstm);
            assert!(given(&mut epochs, 1).0.is_empty(), "before any segment");
            epochs.append(&mut random_segment(&spaces, 1));
            let (rows, first) = given(&mut epochs, 1);
            assert_eq!((rows.len(), first), (5 * minibatches, vec![0]));
            for epoch in rows.chunks_exact(minibatches) {
                let mut all = epoch.concat();
                all.sort_unstable();
                assert_eq!(all, (0..18).collect::<Vec<_>>());
                assert!(epoch.iter().all(|rows| rows.is_sorted()));
                let sizes = || epoch.iter().map(Vec::len);
                let most = if lstm.is_some() { 6 } else { 1 };
                assert!(sizes().max().unwrap() - sizes().min().unwrap() <= most);
            }
            let epochs_differ = rows[..minibatches] != rows[minibatches..2 * minibatches];
            assert_eq!(epochs_differ, minibatches > 1, "{minibatches}, {lstm:?}");
        }
    }

    #[test]
    fn environments_stay_whole_if_networks_have_a_state() {
        let (mut epochs, spaces) = epochs(3, 2, Some(4));
        epochs.append(&mut random_segment(&spaces, 1));
        for rows in given(&mut epochs, 1).0 {
            let own: Vec<usize> = rows.iter().copied().take_while(|row| *row < 3).collect();
            let steps = (0..6).flat_map(|t| own.iter().map(move |e| t * 3 + e));
            assert_eq!(rows, steps.collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_is_that_of_the_workers_own_numbers() {
        let of = |seed| {
            let (mut epochs, spaces) = epochs(2, 3, None);
            epochs.append(&mut random_segment(&spaces, 1));
            given(&mut epochs, seed).0
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn the_rest_of_a_segment_can_be_left_and_the_next_one_is_whole() {
        let (mut epochs, spaces) = epochs(2, 3, None);
        for _ in 0..2 {
            epochs.append(&mut random_segment(&spaces, 1));
            let mut rng = seeded(1);
            assert!(epochs.next(0, &mut rng).is_some());
            epochs.leave_rest();
            assert!(epochs.next(0, &mut rng).is_none());
        }
        epochs.append(&mut random_segment(&spaces, 1));
        let (rows, first) = given(&mut epochs, 1);
        assert_eq!((rows.len(), first), (6, vec![0]));
    }
}
