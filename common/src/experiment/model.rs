use serde::{Deserialize, Serialize};

use super::violation::Violations;
use super::{Learns, MethodSettings};

/// The layers that every head shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Fully connected layers of `hidden` units each.
    #[default]
    Mlp,
    /// Mnih et al. 2016: conv 16 8×8/4, conv 32 4×4/2, fc 256.
    A3cConv,
    /// Mnih et al. 2015: conv 32 8×8/4, conv 64 4×4/2, conv 64 3×3/1, fc 512.
    NatureConv,
}

/// What stands between two layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `tanh(x)`
    #[default]
    Tanh,
}

/// How weights are first drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// `U(−1/√fan_in, 1/√fan_in)`, biases too: Torch7's, which the paper used. An LSTM's with 1/√units.
    Torch,
    /// Orthogonal, gain √2 (1 for value heads and LSTMs, 0.01 for policy heads), biases 0.
    #[default]
    Orthogonal,
}

/// `[model]`: the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// The layers that every head shares.
    pub body: Body,
    /// Units of each hidden layer of an `mlp` body.
    pub hidden: Vec<usize>,
    /// What stands between an `mlp` body's layers; the convolutional nets use ReLU.
    pub activation: Activation,
    /// How weights are first drawn.
    pub initialization: Initialization,
    /// Units of an LSTM between body and heads.
    #[serde(with = "super::optional")]
    pub lstm: Option<usize>,
    /// Whether the value has a body (and an LSTM) of its own, so that it shares nothing with the policy.
    pub separate_value: bool,
    /// Whether action values are `V + A − mean A` (Wang et al. 2016, eq. 9).
    pub dueling: bool,
    /// Whether observations in bytes are divided by 255, as brightness is; else they are numbers from 0 to 255.
    pub scale_bytes: bool,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            body: Body::Mlp,
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            initialization: Initialization::Orthogonal,
            lstm: None,
            separate_value: false,
            dueling: false,
            scale_bytes: true,
        }
    }
}

impl ModelSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, method: &MethodSettings, violations: &mut Violations) {
        violations.expect(
            self.hidden.iter().all(|units| *units >= 1),
            "model.hidden",
            "must be at least 1 each: a layer without units passes nothing on",
        );
        violations.expect(
            self.lstm.is_none_or(|units| units >= 1),
            "model.lstm",
            "must be at least 1: a layer without units passes nothing on; \"none\" leaves it out",
        );
        let name = method.name();
        violations.expect(
            self.lstm.is_none() || method.is_recurrent(),
            "model.lstm",
            format!("must be \"none\": method `{name}` learns from steps out of their order; `a3c` has a memory"),
        );
        violations.expect(
            !self.separate_value || method.learns() == Learns::Policy,
            "model.separate_value",
            format!("must be false: method `{name}` has no policy beside its values"),
        );
        violations.expect(
            !self.dueling || method.learns() == Learns::ActionValues,
            "model.dueling",
            format!("must be false: method `{name}` learns no action values; `n_step_q` does"),
        );
    }
}
