//! Environments in a Python process that is replaced when it fails.

use std::sync::Once;

use troop_common::experience::{Actions, End};
use troop_common::experiment::EnvironmentSettings;
use troop_common::spaces::{ActionSpace, Spaces};

use super::process::HostProcess;
use crate::environment::error::EnvironmentError;
use crate::environment::step::Step;
use crate::environment::vector_environment::VectorEnvironment;

/// In `terminated`; see `actor/python/troop_gym_host/atari.py`.
const LIFE_LOST: u8 = 2;

/// So many steps after a restart the next failure is a new one, not the same again.
const STEPS_OF_RECOVERY: u32 = 100;

/// Several environments of one registered Gymnasium id, stepped together by a Python process.
///
/// A process that crashes, answers too late or reports an exception is replaced, up to
/// `max_consecutive_restarts` times in a row; dropping the host ends it.
pub struct GymnasiumHost {
    settings: EnvironmentSettings,
    process: HostProcess,
    ends: Vec<End>,
    /// Of observations, then of final observations; none where the environments give none.
    masks: Option<(Vec<bool>, Vec<bool>)>,
    needs_reset: bool,
    restarts: u64,
    restarts_in_a_row: u32,
    steps_since_restart: u32,
}

impl GymnasiumHost {
    /// Starts the process and makes the environments.
    ///
    /// # Errors
    /// [`EnvironmentError::Fatal`] with the reason and what to do about it.
    pub fn start(settings: &EnvironmentSettings) -> Result<Self, EnvironmentError> {
        let process = HostProcess::start(settings).map_err(EnvironmentError::Fatal)?;
        if !settings.rescale_actions {
            warn_of_bounds(&settings.id, &process.spaces.action);
        }
        Ok(Self {
            process,
            settings: settings.clone(),
            ends: vec![End::Continues; settings.envs_per_worker],
            masks: None,
            needs_reset: true,
            restarts: 0,
            restarts_in_a_row: 0,
            steps_since_restart: 0,
        })
    }

    /// How often the process was replaced so far.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// The id of the process that runs at the moment.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Replaces a process that has failed with `message`.
    fn restart(&mut self, message: String) -> EnvironmentError {
        if self.steps_since_restart >= STEPS_OF_RECOVERY {
            self.restarts_in_a_row = 0;
        }
        let limit = self.settings.max_consecutive_restarts;
        tracing::error!(
            environment = self.settings.id,
            error = message,
            restarts = self.restarts,
            restarts_in_a_row = self.restarts_in_a_row,
            "gymnasium host failed"
        );
        if self.restarts_in_a_row >= limit {
            return EnvironmentError::Fatal(format!(
                "{message}\nit failed {} times in a row, environment.max_consecutive_restarts is {limit}",
                u64::from(limit) + 1,
            ));
        }
        match HostProcess::start(&self.settings) {
            Ok(process) if process.spaces == self.process.spaces => self.process = process,
            Ok(process) => {
                return EnvironmentError::Fatal(format!(
                    "{message}\nafter a restart its spaces are others: {:?} in place of {:?}",
                    process.spaces, self.process.spaces,
                ));
            }
            Err(error) => return EnvironmentError::Fatal(format!("{message}\nthen: {error}")),
        }
        self.restarts += 1;
        self.restarts_in_a_row += 1;
        self.steps_since_restart = 0;
        self.needs_reset = true;
        self.ends.fill(End::Continues);
        EnvironmentError::Restarted(message)
    }

    fn write_actions(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        let arrays = &mut self.process.arrays;
        let written = match (actions, &self.process.spaces.action) {
            (Actions::Discrete(chosen), ActionSpace::Discrete { n }) => {
                write_choices(arrays.discrete_actions(), chosen, &[*n])
            }
            (Actions::MultiDiscrete(chosen), ActionSpace::MultiDiscrete { n }) => {
                write_choices(arrays.discrete_actions(), chosen, n)
            }
            (Actions::Continuous(chosen), ActionSpace::Box { .. }) => {
                let target = arrays.continuous_actions();
                let fits = chosen.len() == target.len();
                if fits {
                    target.copy_from_slice(chosen);
                }
                fits
            }
            _ => false,
        };
        if written {
            return Ok(());
        }
        Err(EnvironmentError::Fatal(format!(
            "environment `{}` was given {actions:?}; expected actions for {} environments of {:?}",
            self.settings.id, self.settings.envs_per_worker, self.process.spaces.action,
        )))
    }

    fn read_masks(&mut self) {
        let open = |bytes: &[u8]| bytes.iter().map(|byte| *byte != 0).collect();
        let masks = self.process.arrays.masks();
        self.masks = masks.map(|(masks, finals)| (open(masks), open(finals)));
    }

    fn read_ends(&mut self) {
        let flags = self
            .process
            .arrays
            .terminated()
            .iter()
            .zip(self.process.arrays.truncated());
        for (end, (terminated, truncated)) in self.ends.iter_mut().zip(flags) {
            *end = match (*terminated, *truncated) {
                (0, 0) => End::Continues,
                (0, _) => End::Truncated,
                (LIFE_LOST, 0) => End::LifeLost,
                _ => End::Terminated,
            };
        }
    }
}

impl VectorEnvironment for GymnasiumHost {
    fn spaces(&self) -> &Spaces {
        &self.process.spaces
    }

    fn count(&self) -> usize {
        self.settings.envs_per_worker
    }

    fn frame_skip(&self) -> u32 {
        self.process.frame_skip
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.process
            .reset(seed, &self.settings)
            .map_err(|message| self.restart(message))?;
        self.needs_reset = false;
        self.ends.fill(End::Continues);
        self.read_masks();
        Ok(())
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        if self.needs_reset {
            let id = &self.settings.id;
            return Err(EnvironmentError::Fatal(format!(
                "environment `{id}` was stepped before it was reset"
            )));
        }
        self.write_actions(actions)?;
        self.process
            .step(&self.settings)
            .map_err(|message| self.restart(message))?;
        self.steps_since_restart = self.steps_since_restart.saturating_add(1);
        self.read_ends();
        self.read_masks();
        Ok(())
    }

    fn last(&self) -> Step<'_> {
        let arrays = &self.process.arrays;
        Step {
            observations: arrays.observations(),
            final_observations: arrays.final_observations(),
            masks: self.masks.as_ref().map(|(masks, _)| masks.as_slice()),
            final_masks: self.masks.as_ref().map(|(_, finals)| finals.as_slice()),
            rewards: arrays.rewards(),
            ends: &self.ends,
        }
    }
}

/// Says once that actions are not rescaled, if a policy that begins near 0 with a deviation near 1 hardly meets
/// what the bounds allow.
fn warn_of_bounds(id: &str, action: &ActionSpace) {
    static SAID: Once = Once::new();
    let ActionSpace::Box { low, high } = action else {
        return;
    };
    let unlike = low
        .iter()
        .zip(high)
        .position(|(low, high)| is_unlike_a_policy(*low, *high));
    if let Some(dimension) = unlike {
        SAID.call_once(|| {
            tracing::warn!(
                environment = id,
                dimension,
                low = low[dimension],
                high = high[dimension],
                "actions are not rescaled to these bounds, and a policy begins around 0 with a deviation of about \
                 1: set environment.rescale_actions = true"
            );
        });
    }
}

fn is_unlike_a_policy(low: f32, high: f32) -> bool {
    let half = (high - low) / 2.0;
    half.is_finite() && !((0.2..=5.0).contains(&half) && low <= 0.5 && high >= -0.5)
}

/// Whether `chosen` `[E, K]` fit, each out of its component's `counts` `[K]`; they are written then.
fn write_choices(target: &mut [i64], chosen: &[i64], counts: &[usize]) -> bool {
    let is_open = |(choice, n): (&i64, &usize)| usize::try_from(*choice).is_ok_and(|c| c < *n);
    let fits =
        chosen.len() == target.len() && chosen.iter().zip(counts.iter().cycle()).all(is_open);
    if fits {
        target.copy_from_slice(chosen);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_a_policy_hardly_meets_are_told_from_those_that_it_does() {
        for (low, high) in [(0.0, 1_000.0), (-0.01, 0.01), (3.0, 4.0), (-100.0, 100.0)] {
            assert!(is_unlike_a_policy(low, high), "{low} {high}");
        }
        let unbounded = (f32::NEG_INFINITY, f32::INFINITY);
        for (low, high) in [(-1.0, 1.0), (-2.0, 2.0), (-0.4, 0.4), (0.0, 1.0), unbounded] {
            assert!(!is_unlike_a_policy(low, high), "{low} {high}");
        }
    }
}
