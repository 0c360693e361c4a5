use serde::{Deserialize, Serialize};

use super::validate::is_positive;
use super::violation::Violations;

/// The rule that turns a gradient into a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// `θ ← θ − ηΔ`
    Sgd,
    /// Shared, non-centred RMSProp with ε inside the root:
    /// `g ← αg + (1−α)Δ²; θ ← θ − ηΔ/√(g+ε)` (Mnih et al. 2016, eq. S2–S3).
    #[default]
    Rmsprop,
}

/// How the learning rate moves from its first value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// It stays.
    Constant,
    /// Linearly to 0 at `experiment.total_env_steps`.
    #[default]
    Linear,
}

/// `[optimizer]`: how the learner applies gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimizerSettings {
    /// The rule.
    pub name: Optimizer,
    /// η at the start.
    pub learning_rate: f64,
    /// How η moves.
    pub anneal: Anneal,
    /// RMSProp's α.
    pub decay: f64,
    /// RMSProp's ε, inside the root.
    pub epsilon: f64,
    /// A gradient with a larger global norm is scaled down to it; absent: none is.
    #[serde(with = "super::optional")]
    pub max_gradient_norm: Option<f64>,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            name: Optimizer::Rmsprop,
            learning_rate: 7e-4,
            anneal: Anneal::Linear,
            decay: 0.99,
            epsilon: 0.1,
            max_gradient_norm: Some(40.0),
        }
    }
}

impl OptimizerSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            is_positive(self.learning_rate),
            "optimizer.learning_rate",
            "must be finite and above 0: at 0 nothing is learnt",
        );
        violations.expect(
            (0.0..1.0).contains(&self.decay),
            "optimizer.decay",
            "must be at least 0 and below 1: at 1 the squared gradients never enter",
        );
        let rmsprop = self.name == Optimizer::Rmsprop;
        violations.expect(
            self.epsilon.is_finite() && self.epsilon >= 0.0,
            "optimizer.epsilon",
            "must be finite and at least 0: it stands inside a root",
        );
        violations.expect(
            !rmsprop || self.epsilon != 0.0,
            "optimizer.epsilon",
            "must be above 0 for `rmsprop`: a parameter without gradient would be divided by 0",
        );
        violations.expect(
            self.max_gradient_norm.is_none_or(is_positive),
            "optimizer.max_gradient_norm",
            "must be finite and above 0: at 0 every gradient would vanish; \"none\" switches it off",
        );
    }
}
