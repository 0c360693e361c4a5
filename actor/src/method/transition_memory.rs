use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Segment, Transitions};
use troop_common::experiment::DqnSettings;
use troop_common::spaces::ObservationSpace;
use troop_replay::available_memory::ReplayDemand;
use troop_replay::{TransitionReplay, TransitionShape, stack};

use super::batch::Batch;
use super::experience::{ExperienceSink, ExperienceSource};
use super::setting::Setting;

/// Experience of methods that learn from transitions that the worker remembers: as many batches as
/// replay `replay_ratio` transitions for each step, none until there is enough to choose from.
#[derive(Debug)]
pub(super) struct TransitionMemory {
    settings: DqnSettings,
    observation: ObservationSpace,
    shape: TransitionShape,
    /// Made with the first segment: who only acts needs none.
    replay: Option<TransitionReplay>,
    /// Batches that the env steps so far have earned and that were not given.
    due: f64,
    drawn: Option<Transitions>,
    /// Its own, so that what is drawn does not depend on how the worker acts.
    rng: ChaCha8Rng,
}

impl TransitionMemory {
    pub(super) fn new(settings: &DqnSettings, setting: &mut Setting<'_>) -> Self {
        let environment = &setting.experiment.environment;
        Self {
            settings: settings.clone(),
            observation: setting.spaces.observation.clone(),
            shape: TransitionShape {
                capacity: settings.replay_capacity_env_steps,
                stack: stack(environment),
                environments: environment.envs_per_worker,
                n_step: settings.n_step,
                discount: settings.discount,
                priority_exponent: settings.priority_exponent,
                priority_epsilon: settings.priority_epsilon,
            },
            replay: None,
            due: 0.0,
            drawn: None,
            rng: ChaCha8Rng::from_rng(setting.rng),
        }
    }

    /// What it will take when it is full.
    pub(super) fn demand(&self) -> ReplayDemand {
        ReplayDemand {
            bytes_per_worker: TransitionReplay::bytes(&self.observation, &self.shape),
            capacity_key: "method.replay_capacity_env_steps",
            capacity: self.shape.capacity,
        }
    }
}

/// β when the run has taken `frames`.
pub(super) fn importance_exponent(settings: &DqnSettings, frames: u64) -> f64 {
    let done = frames as f64 / settings.importance_anneal_frames.max(1) as f64;
    let (first, last) = (
        settings.importance_exponent_initial,
        settings.importance_exponent_final,
    );
    first + done.min(1.0) * (last - first)
}

impl ExperienceSink for TransitionMemory {
    fn append(&mut self, segment: &mut Segment) {
        let empty = || TransitionReplay::new(&self.observation, &self.shape);
        let replay = self.replay.get_or_insert_with(empty);
        replay.add(segment);
        if replay.env_steps() >= self.settings.replay_start_env_steps && !replay.is_empty() {
            let replayed = segment.len() as f64 * self.settings.replay_ratio;
            self.due += replayed / self.settings.batch_size as f64;
        }
    }

    fn interrupted(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.break_off();
        }
    }
}

impl ExperienceSource for TransitionMemory {
    fn next(&mut self, frames: u64, _: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        if self.due < 1.0 {
            return None;
        }
        self.due -= 1.0;
        let beta = importance_exponent(&self.settings, frames);
        let replay = self.replay.as_ref()?;
        let drawn = replay.draw(self.settings.batch_size, beta, &mut self.rng);
        Some(Batch::Transitions(self.drawn.insert(drawn)))
    }

    /// Batches that it has earned and that were not given are lost.
    fn leave_rest(&mut self) {
        self.due = self.due.fract();
    }

    fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        if let Some(replay) = &mut self.replay {
            replay.reprioritise(keys, td_errors);
        }
    }
}

#[cfg(test)]
#[path = "transition_memory_tests.rs"]
mod tests;
