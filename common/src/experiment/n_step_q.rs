use serde::{Deserialize, Serialize};

use super::method::{Learns, MethodRules, check_segment, check_target_sync};
use super::violation::Violations;
use super::{Experiment, Reduction, TargetSync, View};

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
    /// How errors reach earlier states.
    pub view: View,
}

impl Default for NStepQSettings {
    fn default() -> Self {
        Self {
            t_max: 5,
            discount: 0.99,
            target_sync: TargetSync::Frames(40_000),
            reduction: Reduction::Mean,
            view: View::Forward,
        }
    }
}

impl MethodRules for NStepQSettings {
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
