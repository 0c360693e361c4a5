use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::experiment::AcerSettings;
use troop_replay::available_memory::ReplayDemand;
use troop_replay::{SegmentReplay, SegmentShape, stack};

use super::poisson::poisson;
use crate::method::batch::Batch;
use crate::method::experience::{ExperienceSink, ExperienceSource};
use crate::method::setting::Setting;

/// The segment that was just lived through, and after it as many of those that the worker remembers
/// as are drawn from Poisson's distribution around `replay_ratio`.
#[derive(Debug)]
pub(super) struct SegmentMemory {
    ratio: f64,
    start: usize,
    shape: SegmentShape,
    /// From the first segment on, if segments are replayed.
    replay: Option<SegmentReplay>,
    fresh: Segment,
    is_fresh: bool,
    replayed: Option<Segment>,
    /// Replays that follow the fresh segment.
    left: usize,
}

impl SegmentMemory {
    pub(super) fn new(settings: &AcerSettings, setting: &Setting<'_>) -> Self {
        let environment = &setting.experiment.environment;
        let environments = environment.envs_per_worker;
        Self {
            ratio: settings.replay_ratio,
            start: settings.replay_start_env_steps,
            shape: SegmentShape {
                spaces: setting.spaces.clone(),
                stack: stack(environment),
                environments,
                t_max: settings.t_max,
                capacity: settings.replay_capacity_env_steps,
            },
            replay: None,
            fresh: Segment::new(environments, setting.spaces),
            is_fresh: false,
            replayed: None,
            left: 0,
        }
    }

    /// What it will take when it is full, if segments are replayed.
    pub(super) fn demand(&self) -> Option<ReplayDemand> {
        (self.ratio > 0.0).then(|| ReplayDemand {
            bytes_per_worker: self.shape.bytes(),
            capacity_key: "method.replay_capacity_env_steps",
            capacity: self.shape.capacity,
        })
    }

    /// How many replays follow a segment.
    fn replays(&self, rng: &mut ChaCha8Rng) -> usize {
        match &self.replay {
            Some(replay) if replay.len() >= self.start => poisson(self.ratio, rng),
            _ => 0,
        }
    }
}

impl ExperienceSink for SegmentMemory {
    fn append(&mut self, segment: &mut Segment) {
        if self.ratio > 0.0 {
            let empty = || SegmentReplay::new(self.shape.clone());
            self.replay.get_or_insert_with(empty).store(segment);
        }
        std::mem::swap(&mut self.fresh, segment);
        self.is_fresh = true;
    }

    fn interrupted(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.interrupt();
        }
    }
}

impl ExperienceSource for SegmentMemory {
    fn next(&mut self, _: u64, rng: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        if std::mem::take(&mut self.is_fresh) {
            self.left = self.replays(rng);
            return Some(Batch::Fresh(&self.fresh));
        }
        self.left = self.left.checked_sub(1)?;
        let again = self.replay.as_ref()?.sample(rng)?;
        Some(Batch::Replayed(self.replayed.insert(again)))
    }

    /// Nor from the replays that follow it.
    fn leave_rest(&mut self) {
        (self.is_fresh, self.left) = (false, 0);
    }
}
