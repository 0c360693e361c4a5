use serde::{Deserialize, Serialize};

use super::violation::Violations;
use super::{A3cSettings, NStepQSettings, TargetSync};

/// How per-step losses of a segment become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Accumulated, as in Mnih et al. 2016.
    Sum,
    /// Averaged over time and environments, so that the step does not grow with the batch.
    #[default]
    Mean,
}

/// `[method]`: what turns a segment into a gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum MethodSettings {
    /// Asynchronous advantage actor-critic.
    A3c(A3cSettings),
    /// Asynchronous n-step Q-learning.
    NStepQ(NStepQSettings),
}

impl MethodSettings {
    /// The name of every method.
    pub const NAMES: [&'static str; 2] = ["a3c", "n_step_q"];

    /// The named method with its defaults.
    pub fn default_of(name: &str) -> Option<Self> {
        match name {
            "a3c" => Some(Self::A3c(A3cSettings::default())),
            "n_step_q" => Some(Self::NStepQ(NStepQSettings::default())),
            _ => None,
        }
    }

    /// The method's name as written in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::A3c(_) => "a3c",
            Self::NStepQ(_) => "n_step_q",
        }
    }

    /// When the target network is refreshed, for methods that have one.
    pub fn target_sync(&self) -> Option<TargetSync> {
        match self {
            Self::A3c(_) => None,
            Self::NStepQ(settings) => Some(settings.target_sync),
        }
    }
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self::A3c(A3cSettings::default())
    }
}

/// Notes what cannot work in the keys that every method has.
pub(super) fn check_segment(t_max: usize, discount: f32, violations: &mut Violations) {
    violations.expect(
        t_max >= 1,
        "method.t_max",
        "must be at least 1: a segment without steps has no gradient",
    );
    violations.expect(
        (0.0..=1.0).contains(&discount),
        "method.discount",
        "must be from 0 to 1: above 1 returns diverge",
    );
}
