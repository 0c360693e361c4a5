//! Tensors of experience, each with one copy of its numbers.

use tch::{Kind, Tensor};
use troop_common::experience::{ObservationBuffer, Observations, RecurrentState, Segment};

/// Observations as tensors.
#[derive(Debug)]
pub struct Observed {
    /// `[N, …]`
    pub observations: Tensor,
    /// Which choices are open, `[N, M]` of booleans; absent: all.
    pub masks: Option<Tensor>,
}

impl Observed {
    /// All of a buffer's with their masks.
    pub fn of(buffer: &ObservationBuffer) -> Self {
        Self {
            observations: observations(buffer),
            masks: masks(buffer),
        }
    }

    /// Observations of a segment that still have a value although no action follows them: `s_T` of
    /// each environment, then the final ones of truncated episodes. `[E + F, …]`.
    pub fn open(segment: &Segment) -> Self {
        let bootstrap = Self::of(&segment.bootstrap_observations);
        if segment.truncated_observations.is_empty() {
            return bootstrap;
        }
        let truncated = Self::of(&segment.truncated_observations);
        let both = |a: Tensor, b: Tensor| Tensor::cat(&[a, b], 0);
        Self {
            observations: both(bootstrap.observations, truncated.observations),
            masks: bootstrap
                .masks
                .zip(truncated.masks)
                .map(|(a, b)| both(a, b)),
        }
    }
}

/// All of a buffer's observations, `[N, …]`.
pub fn observations(buffer: &ObservationBuffer) -> Tensor {
    let mut shape = vec![buffer.len() as i64];
    shape.extend(buffer.shape().iter().map(|axis| *axis as i64));
    match buffer.values() {
        Observations::F32(all) => Tensor::from_slice(all).view(shape.as_slice()),
        Observations::U8(all) => Tensor::from_slice(all).view(shape.as_slice()),
    }
}

/// Which choices a buffer's observations leave open, `[N, M]`, if the environment says so.
pub fn masks(buffer: &ObservationBuffer) -> Option<Tensor> {
    let (all, rows) = (buffer.masks(), buffer.len() as i64);
    (!all.is_empty()).then(|| Tensor::from_slice(all).view([rows, -1]))
}

/// Recurrent state, `[E, S]`.
pub fn state(state: &RecurrentState) -> Tensor {
    let environments = state.environments() as i64;
    let len = state.values().len() as i64 / environments.max(1);
    Tensor::from_slice(state.values()).view([environments, len])
}

/// A tensor's elements, in row-major order.
pub fn to_vec(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
