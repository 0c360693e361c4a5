//! The mean gradient of a round.

use std::borrow::Borrow;

use troop_common::wire::{Buffers, Elements};

use super::gradient::Gradient;
use troop_common::norm::global_norm;

/// The sum of some gradients.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) values: Elements,
    /// Its global norm.
    pub(crate) norm: f64,
    /// How many there are.
    pub(crate) gradients: u64,
}

impl Sum {
    /// Adds gradients of `elements` in their order, each maybe a sum itself, into a vector of `buffers`. Those that are
    /// handed over give up their room as soon as they have been added.
    pub(crate) fn of(
        gradients: impl Iterator<Item = impl Borrow<Gradient>>,
        elements: usize,
        buffers: &Buffers<f32>,
    ) -> Self {
        let mut count = 0;
        let mut sum = buffers.take(elements);
        for gradient in gradients {
            let gradient = gradient.borrow();
            match count {
                0 => gradient.values.read(&mut sum),
                _ => add(&mut sum, &gradient.values),
            }
            count += gradient.gradients;
        }
        Self {
            norm: global_norm(&sum),
            values: Elements::of(buffers.lend(sum)),
            gradients: count,
        }
    }

    /// What makes a mean of it.
    pub(crate) fn share(&self) -> f64 {
        1.0 / self.gradients as f64
    }

    /// Global norm of the mean.
    pub(crate) fn mean_norm(&self) -> f64 {
        self.norm * self.share()
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
