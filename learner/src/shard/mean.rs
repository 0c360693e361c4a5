//! The mean gradient of a round.

use troop_common::wire::{Buffers, Elements};

use super::budget::Room;
use troop_common::norm::global_norm;

/// The sum of some gradients.
pub(crate) struct Sum {
    pub(crate) values: Elements,
    /// Global norm of their mean.
    pub(crate) mean_norm: f64,
    /// What makes a mean of the sum.
    pub(crate) share: f64,
}

impl Sum {
    /// Adds gradients of `elements` in their order, into a vector of `buffers`. Each gives up its room
    /// as soon as it has been added.
    pub(crate) fn of(
        gradients: impl ExactSizeIterator<Item = (Elements, Room)>,
        elements: usize,
        buffers: &Buffers<f32>,
    ) -> Self {
        let share = 1.0 / gradients.len() as f64;
        let mut sum = buffers.take(elements);
        for (index, (values, room)) in gradients.enumerate() {
            match index {
                0 => values.read(&mut sum),
                _ => add(&mut sum, &values),
            }
            drop((values, room));
        }
        Self {
            mean_norm: global_norm(&sum) * share,
            values: Elements::of(buffers.lend(sum)),
            share,
        }
    }
}

/// Adds `other` to `sum`. What is too large for an `f32` stays the largest one: finite gradients
/// have a finite sum.
fn add(sum: &mut [f32], other: &Elements) {
    for (start, run) in other.runs(0..sum.len()) {
        run.zip(&mut sum[start..], |sum, other| {
            *sum = (*sum + other).clamp(f32::MIN, f32::MAX);
        });
    }
}
