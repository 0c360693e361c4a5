//! One layer with parameters.

use troop_common::experiment::Initialization;
use troop_common::layout::{Initializer, TensorSpec};

/// A layer whose weight and bias are the next two tensors of the layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::nn) enum Layer {
    /// `x W' + b` on `[B, I]`, giving `[B, O]`.
    Linear { inputs: usize, outputs: usize },
    /// A convolution on `[B, I, H, W]` with square kernels and no padding.
    Convolution {
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        /// `H` and `W`.
        input_size: [usize; 2],
    },
}

impl Layer {
    /// Height and width of what a convolution gives; of what is linear, 1 and 1.
    pub(in crate::nn) fn output_size(self) -> [usize; 2] {
        match self {
            Self::Linear { .. } => [1, 1],
            Self::Convolution {
                kernel,
                stride,
                input_size,
                ..
            } => input_size.map(|size| (size - kernel) / stride + 1),
        }
    }

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
    pub(in crate::nn) fn tensors(
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
}
