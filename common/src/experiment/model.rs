use serde::{Deserialize, Serialize};

use super::settings::settings;
use super::violation::Violations;
use super::{EnvironmentSettings, Learns, MethodSettings};

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
    /// Young and Tian 2019: conv 16 3×3/1, fc 128.
    MinatarConv,
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

/// What computes a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Native where it covers the network, else libtorch.
    #[default]
    Auto,
    /// Kernels in Rust.
    Native,
    /// libtorch.
    Torch,
}

/// Of what is multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 24 bits.
    #[default]
    F32,
    /// 8 bits, of a number as large as an `f32` may be.
    Bf16,
}

/// What a Gaussian policy's deviation depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deviation {
    /// A head on the policy's body gives one variance for all dimensions (Mnih et al. 2016, §9).
    #[default]
    State,
    /// Nothing: one parameter a dimension.
    Parameter,
}

/// Of a policy, when it begins.
const SMALLEST_DEVIATION: f64 = 1e-3;
const LARGEST_DEVIATION: f64 = 1e3;

const LARGEST_BOUNDS_PENALTY: f64 = 1e6;

settings! {
    /// `[model]`: the network.
    pub struct ModelSettings {
        /// The layers that every head shares: fully connected, or the nets of Mnih et al. 2016 or 2015 for pixels, or that of
        /// Young and Tian 2019 for grids.
        pub body: Body = Body::Mlp,
        /// Whether a convolutional body goes on with the place where each channel of its last convolution sees something, the mean of a
        /// softmax over its places (Levine et al. 2016, §5.1), in place of all its numbers.
        pub spatial_softmax: bool = false,
        /// Units of each hidden layer of an `mlp` body; empty for a linear one.
        #[unit = "units"]
        pub hidden: Vec<usize> = vec![64, 64],
        /// What stands between an `mlp` body's layers; the convolutional nets use ReLU.
        pub activation: Activation = Activation::Tanh,
        /// How weights are first drawn: `U(−1/√fan_in, 1/√fan_in)`, biases too; or orthogonal with gain √2 (value
        /// heads and LSTMs 1, policy heads 0.01), biases 0. An LSTM's forget gate has a bias of 1 then, so that
        /// memory does not fade at the start; with `"torch"` it is drawn like the others, as PyTorch does. Orthogonal
        /// layers wider than 2 048 × 2 048 are drawn by a faster method than narrower ones (4 096 × 4 096: some 2 s
        /// of a core); beyond about 13 000 × 13 000 they are refused.
        pub initialization: Initialization = Initialization::Orthogonal,
        /// Units of an LSTM between body and heads; its state is kept from segment to segment and begins at 0 with
        /// each episode.
        #[unit = "units"]
        #[serde(with = "super::optional")]
        pub lstm: Option<usize> = None,
        /// Whether the LSTM takes the action and the reward of the step before beside what the layers before it make of the
        /// observation (Kapturowski et al. 2019, §2.3; Espeholt et al. 2018, fig. 3): each choice is one number, 1 for the one that
        /// was taken; the reward is as it is learnt from. Zeros where an episode begins.
        pub previous_step: bool = false,
        /// Whether the value has a body (and an LSTM) of its own and shares nothing with the policy (Mnih et al.
        /// 2016, §9, continuous control).
        pub separate_value: bool = false,
        /// Continuous actions: whether a head gives one variance for all dimensions in each state (Mnih et al. 2016, §9),
        /// or each dimension's log σ is a parameter, the same in every state. `acer` has a σ of its own, which is fixed.
        pub deviation: Deviation = Deviation::State,
        /// σ at the start, if it is a parameter, in units of the actions that the policy gives.
        #[unit = "action"]
        pub initial_deviation: f64 = 1.0,
        /// Continuous actions: what the square of each mean's distance beyond its bounds counts in the loss, in each dimension of
        /// each row, see [below](#means-beyond-the-bounds); 0 leaves it out.
        pub bounds_penalty: f64 = 0.0,
        /// Whether action values are `V + A − mean A` (Wang et al. 2016, eq. 9).
        pub dueling: bool = false,
        /// Whether observations in bytes are divided by 255, as brightness is; `false` takes them as numbers from 0
        /// to 255, e.g. MiniGrid's.
        pub scale_bytes: bool = true,
        /// What computes the network: Troop's own kernels, which cover all networks that can be configured here, or
        /// libtorch, which is slower and the oracle of the former. Results differ by rounding.
        pub backend: Backend = Backend::Auto,
        /// What convolutions multiply: numbers of 24 bits, or weights, activations and their gradients rounded to bfloat16, of 8
        /// bits, two at a time; parameters and sums are `f32` in either way, and so is everything else. `"bf16"` is faster on
        /// machines with AVX-512 BF16 and slower on others. See
        /// [below](#convolutions-in-bfloat16).
        pub convolution_precision: Precision = Precision::F32,
    }
}

impl ModelSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(
        &self,
        method: &MethodSettings,
        environment: &EnvironmentSettings,
        violations: &mut Violations,
    ) {
        self.check_network(violations);
        let name = method.name();
        violations.expect(
            self.lstm.is_none() || method.is_recurrent(),
            "model.lstm",
            format!("must be \"none\": method `{name}` learns from steps out of their order; `a3c` has a memory"),
        );
        violations.expect(
            !self.previous_step || self.lstm.is_some(),
            "model.previous_step",
            "must be false without `model.lstm`, which would take it",
        );
        violations.expect(
            !self.previous_step || !environment.normalize_rewards,
            "model.previous_step",
            "must be false with `environment.normalize_rewards`: what a reward counts there changes as learning goes on",
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

    /// What concerns the network alone.
    fn check_network(&self, violations: &mut Violations) {
        violations.expect(
            self.hidden.iter().all(|units| *units >= 1),
            "model.hidden",
            "must be at least 1 each: a layer without units passes nothing on",
        );
        violations.expect(
            !self.spatial_softmax || self.body != Body::Mlp,
            "model.spatial_softmax",
            "must be false with `model.body = \"mlp\"`, which has no convolutions",
        );
        violations.expect(
            self.lstm.is_none_or(|units| units >= 1),
            "model.lstm",
            "must be at least 1: a layer without units passes nothing on; \"none\" leaves it out",
        );
        violations.expect(
            (SMALLEST_DEVIATION..=LARGEST_DEVIATION).contains(&self.initial_deviation),
            "model.initial_deviation",
            "must be from 0.001 to 1000: a policy without noise learns nothing, one of noise alone acts at random",
        );
        violations.expect(
            (0.0..=LARGEST_BOUNDS_PENALTY).contains(&self.bounds_penalty),
            "model.bounds_penalty",
            "must be from 0 to 1e6: it is what the square of a mean's distance beyond its bounds counts in the loss",
        );
        violations.expect(
            self.convolution_precision == Precision::F32 || self.backend != Backend::Torch,
            "model.convolution_precision",
            "must be \"f32\" with `model.backend = \"torch\"`: only Troop's own kernels know another",
        );
    }
}
