use serde::{Deserialize, Serialize};

use super::method::{Learns, MethodRules, check_segment, check_target_sync};
use super::violation::Violations;
use super::{Experiment, Reduction, TargetSync};

/// Asynchronous one-step Q-learning and SARSA (Mnih et al. 2016, algorithm 1 and §4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OneStepSettings {
    /// Steps of each environment in a segment, the paper's `I_AsyncUpdate`.
    pub t_max: usize,
    /// Discount γ of a step.
    pub discount: f32,
    /// When the target network is refreshed, the paper's `I_target`.
    pub target_sync: TargetSync,
    /// How per-step losses become one.
    pub reduction: Reduction,
}

impl Default for OneStepSettings {
    fn default() -> Self {
        Self {
            t_max: 5,
            discount: 0.99,
            target_sync: TargetSync::Frames(40_000),
            reduction: Reduction::Mean,
        }
    }
}

impl MethodRules for OneStepSettings {
    fn learns(&self) -> Learns {
        Learns::ActionValues
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    fn is_recurrent(&self) -> bool {
        true
    }

    fn target_sync(&self) -> Option<TargetSync> {
        Some(self.target_sync)
    }

    fn check(&self, _: &Experiment, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        check_target_sync(self.target_sync, violations);
    }
}
