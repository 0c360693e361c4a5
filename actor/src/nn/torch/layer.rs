use tch::Tensor;
use troop_common::experiment::Activation;

use crate::nn::network::Layer;

/// `[B, O]` or `[B, O, H, W]` of inputs `[B, I]` or `[B, I, H, W]`.
pub(super) fn forward(layer: Layer, input: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    match layer {
        Layer::Linear { .. } => input.linear(weight, Some(bias)),
        Layer::Convolution { stride, .. } => {
            let stride = stride as i64;
            input.conv2d(weight, Some(bias), [stride, stride], [0, 0], [1, 1], 1)
        }
    }
}

pub(super) fn activate(input: &Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::Relu => input.relu(),
        Activation::Tanh => input.tanh(),
    }
}
