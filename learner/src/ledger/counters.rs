//! Counters of a run that survive a restart of the learner.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use troop_common::finite::Finite;

use super::evaluation::Evaluation;

/// Counters that survive a restart of the learner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Actions taken by all workers together.
    pub env_steps: u64,
    /// Emulator ticks: env steps × frame skip.
    pub frames: u64,
    /// Episodes that ended.
    pub episodes: u64,
    /// Environment hosts that were restarted.
    pub environment_restarts: u64,
    /// Updates of the parameters.
    pub updates: u64,
    /// Gradients applied; several make one update in the synchronous mode.
    #[serde(default)]
    pub gradients_applied: u64,
    /// Gradients rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Time that the run has been going on, in seconds, earlier lives included.
    pub wall_seconds: f64,
    /// Raw returns of the last 100 episodes, oldest first.
    pub recent_returns: VecDeque<Finite>,
    /// Lengths of the last 100 episodes in env steps, oldest first.
    #[serde(default)]
    pub recent_lengths: VecDeque<u64>,
    /// Best mean over 100 episodes.
    pub best_return_mean_100: Option<Finite>,
    /// Evaluations that were counted.
    #[serde(default)]
    pub evaluations: u64,
    /// The newest of them.
    #[serde(default)]
    pub last_evaluation: Option<Evaluation>,
    /// The one with the highest mean.
    #[serde(default)]
    pub best_evaluation: Option<Evaluation>,
    /// `wall_seconds` at which the task was solved.
    pub seconds_to_solve: Option<f64>,
    /// `env_steps` at which the task was solved.
    pub env_steps_to_solve: Option<u64>,
}

impl Counters {
    /// Mean return of the last 100 episodes, or of those there are; none before the first.
    pub fn return_mean_100(&self) -> Option<Finite> {
        Finite::mean(self.recent_returns.iter().copied())
    }

    /// Mean length of the last 100 episodes in env steps; none before the first.
    pub fn episode_length_mean_100(&self) -> Option<f64> {
        let n = self.recent_lengths.len();
        let sum: f64 = self
            .recent_lengths
            .iter()
            .map(|length| *length as f64)
            .sum();
        (n > 0).then(|| sum / n as f64)
    }

    /// Gradients rejected, whatever the reason.
    pub fn gradients_rejected(&self) -> u64 {
        let rejected = self.rejected.values();
        rejected.fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Adds to a counter; it stops at the largest number there is.
pub(crate) fn add(counter: &mut u64, more: u64) {
    *counter = counter.saturating_add(more);
}
