use serde::{Deserialize, Serialize};

use super::Reduction;
use super::method::check_segment;
use super::violation::Violations;

/// When `θ⁻ ← θ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSync {
    /// Each time the global frame count crosses a multiple of this.
    Frames(u64),
    /// Each time the version crosses a multiple of this.
    Updates(u64),
}

/// Asynchronous n-step Q-learning (Mnih et al. 2016, algorithm S2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NStepQSettings {
    /// Steps of each environment in a segment.
    pub t_max: usize,
    /// Discount γ of a step.
    pub discount: f32,
    /// When the target network is refreshed.
    pub target_sync: TargetSync,
    /// How per-step losses become one.
    pub reduction: Reduction,
}

impl Default for NStepQSettings {
    fn default() -> Self {
        Self {
            t_max: 5,
            discount: 0.99,
            target_sync: TargetSync::Frames(40_000),
            reduction: Reduction::Mean,
        }
    }
}

impl NStepQSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        let (TargetSync::Frames(every) | TargetSync::Updates(every)) = self.target_sync;
        violations.expect(
            every >= 1,
            "method.target_sync",
            "must be at least 1: nothing crosses a multiple of 0",
        );
    }
}
