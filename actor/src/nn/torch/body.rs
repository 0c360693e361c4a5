use tch::Tensor;
use troop_common::experience::End;

use super::layer::{activate, forward};
use super::lstm::{self, Unrolled};
use super::spatial_softmax;
use crate::nn::network::Body;

/// Tensors of an LSTM.
const LSTM_TENSORS: usize = 4;

/// Number of a body's tensors.
pub(super) fn tensor_count(body: &Body) -> usize {
    2 * body.layers().count() + body.lstm.map_or(0, |_| LSTM_TENSORS)
}

/// Features of `[T·E, …]`, from the recurrent state `[E, S]`, with `ends` `[T, E]`; an LSTM takes what went before each row
/// beside them, `[T·E, X]`.
pub(super) fn unroll(
    body: &Body,
    tensors: &[Tensor],
    observations: Tensor,
    (state, previous): (&Tensor, &Tensor),
    ends: &[End],
) -> Unrolled {
    let (layers, lstm_tensors) = tensors.split_at(2 * body.layers().count());
    let features = feed_forward(body, layers, observations);
    match body.lstm {
        Some(layer) => {
            let inputs = Tensor::cat(&[&features, previous], 1);
            lstm::unroll(layer, lstm_tensors, &inputs, state, ends)
        }
        None => {
            let cut = ends.iter().filter(|end| **end == End::Truncated).count();
            Unrolled {
                outputs: features,
                last: state.shallow_clone(),
                cut: state.new_zeros([cut as i64, 0], (state.kind(), state.device())),
            }
        }
    }
}

fn feed_forward(body: &Body, tensors: &[Tensor], observations: Tensor) -> Tensor {
    let mut x = observations;
    if body.convolutions.is_empty() {
        x = x.flatten(1, -1);
    }
    for (index, (layer, tensors)) in body.layers().zip(tensors.chunks_exact(2)).enumerate() {
        let (weight, bias) = (&tensors[0], &tensors[1]);
        if index > 0 && index == body.convolutions.len() {
            x = x.flatten(1, -1);
        }
        // Bytes become [0, 1] by scaling the first layer's few weights, not the many pixels.
        let scaled = (index == 0 && body.scales_bytes).then(|| weight * (1.0 / 255.0));
        let weight = scaled.as_ref().unwrap_or(weight);
        x = activate(&forward(*layer, &x, weight, bias), body.activation);
        if let Some(softmax) = body.spatial_softmax
            && index + 1 == body.convolutions.len()
        {
            x = spatial_softmax::forward(softmax, &x);
        }
    }
    x
}
