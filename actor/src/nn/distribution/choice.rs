//! The best of several choices.

use tch::Tensor;

/// Values `[B, A]` with −∞ for actions that are not open.
pub fn masked(values: &Tensor, masks: Option<&Tensor>) -> Tensor {
    match masks {
        Some(masks) => values.masked_fill(&masks.logical_not(), f64::NEG_INFINITY),
        None => values.shallow_clone(),
    }
}

/// The index of the largest entry of each row of `[B, A]`.
pub fn argmax(values: &Tensor) -> Vec<i64> {
    let indices = values.argmax(-1, false);
    let mut actions = vec![0; indices.numel()];
    indices.copy_data(&mut actions, indices.numel());
    actions
}
