//! One layer with parameters.

use tch::Tensor;
use troop_common::experiment::{Activation, Initialization};
use troop_common::layout::{Initializer, TensorSpec};

/// A layer whose weight and bias are the next two tensors of the layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Layer {
    /// `x W' + b` on `[B, I]`, giving `[B, O]`.
    Linear { inputs: usize, outputs: usize },
    /// A convolution on `[B, I, H, W]` with square kernels and no padding.
    Convolution {
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    },
}

impl Layer {
    fn weight_shape(self) -> Vec<usize> {
        match self {
            Self::Linear { inputs, outputs } => vec![outputs, inputs],
            Self::Convolution {
                inputs,
                outputs,
                kernel,
                ..
            } => vec![outputs, inputs, kernel, kernel],
        }
    }

    /// Weight and bias; `gain` counts for orthogonal initialisation only.
    pub(super) fn tensors(
        self,
        name: &str,
        initialization: Initialization,
        gain: f32,
    ) -> [TensorSpec; 2] {
        let shape = self.weight_shape();
        let fan_in: usize = shape[1..].iter().product();
        let (weight, bias) = match initialization {
            Initialization::Torch => {
                let uniform = Initializer::Uniform((1.0 / fan_in as f32).sqrt());
                (uniform, uniform)
            }
            Initialization::Orthogonal => (Initializer::Orthogonal(gain), Initializer::Zeros),
        };
        let outputs = shape[0];
        [
            TensorSpec {
                name: format!("{name}.weight"),
                shape,
                initializer: weight,
            },
            TensorSpec {
                name: format!("{name}.bias"),
                shape: vec![outputs],
                initializer: bias,
            },
        ]
    }

    pub(super) fn forward(self, input: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
        match self {
            Self::Linear { .. } => input.linear(weight, Some(bias)),
            Self::Convolution { stride, .. } => {
                let stride = stride as i64;
                input.conv2d(weight, Some(bias), [stride, stride], [0, 0], [1, 1], 1)
            }
        }
    }
}

pub(super) fn activate(input: &Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::Relu => input.relu(),
        Activation::Tanh => input.tanh(),
    }
}
