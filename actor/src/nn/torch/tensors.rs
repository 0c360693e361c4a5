//! Tensors of experience, each with one copy of its numbers.

use tch::{Kind, Tensor};
use troop_common::experience::{ObservationBuffer, Observations};

/// All of a buffer's observations, `[N, …]`.
pub(super) fn observations(buffer: &ObservationBuffer) -> Tensor {
    let mut shape = vec![buffer.len() as i64];
    shape.extend(buffer.shape().iter().map(|axis| *axis as i64));
    match buffer.values() {
        Observations::F32(all) => Tensor::from_slice(all).view(shape.as_slice()),
        Observations::U8(all) => Tensor::from_slice(all).view(shape.as_slice()),
    }
}

/// Numbers as rows, `[N, …]`.
pub(super) fn rows(values: &[f32], rows: usize) -> Tensor {
    Tensor::from_slice(values).view([rows as i64, (values.len() / rows.max(1)) as i64])
}

/// A tensor's elements, in row-major order.
pub(super) fn to_vec(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
