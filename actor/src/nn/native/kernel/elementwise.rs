//! What is done element by element, or row by row.

use pulp::{Arch, Simd, WithSimd};
use troop_common::experiment::Activation;

use super::functions::{exp, mul_add, tanh};

/// Replaces numbers by their activations.
pub(in crate::nn) struct Activate<'a> {
    pub(in crate::nn) activation: Activation,
    pub(in crate::nn) values: &'a mut [f32],
}

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.activation {
            Activation::Tanh => {
                for value in self.values {
                    *value = tanh::<S>(*value);
                }
            }
            Activation::Relu => {
                for value in self.values {
                    *value = if *value < 0.0 { 0.0 } else { *value };
                }
            }
        }
    }
}

/// Replaces numbers of at most 0 by their exponentials.
pub(in crate::nn) struct Exponentiate<'a>(pub(in crate::nn) &'a mut [f32]);

impl WithSimd for Exponentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.0 {
            *value = exp::<S>(*value);
        }
    }
}

/// `dL/dx` from `dL/dy`, in its place, with the activation's outputs `y`.
pub(in crate::nn) fn derivative(
    arch: Arch,
    activation: Activation,
    outputs: &[f32],
    gradient: &mut [f32],
) {
    arch.dispatch(Derivative {
        activation,
        outputs,
        gradient,
    });
}

struct Derivative<'a> {
    activation: Activation,
    outputs: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Derivative<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.gradient.iter_mut().zip(self.outputs);
        match self.activation {
            Activation::Tanh => {
                for (gradient, y) in pairs {
                    *gradient *= mul_add::<S>(-y, *y, 1.0);
                }
            }
            Activation::Relu => {
                for (gradient, y) in pairs {
                    *gradient = if *y > 0.0 { *gradient } else { 0.0 };
                }
            }
        }
    }
}

/// Sums of the columns of `rows` `[M, N]`, row by row, added to `sums` `[N]`.
pub(in crate::nn) fn sum_rows(arch: Arch, rows: &[f32], sums: &mut [f32]) {
    arch.dispatch(SumRows { rows, sums });
}

struct SumRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (columns, lanes) = (self.sums.len(), S::F32_LANES);
        let mut first = 0;
        while first < columns {
            let there = (columns - first).min(4 * lanes);
            let sums = &mut self.sums[first..first + there];
            if there == 4 * lanes {
                let (sums, _) = S::as_mut_simd_f32s(sums);
                let mut total: [S::f32s; 4] = std::array::from_fn(|i| sums[i]);
                for row in self.rows.chunks_exact(columns) {
                    let row = &S::as_simd_f32s(&row[first..first + there]).0[..4];
                    for (total, value) in total.iter_mut().zip(row) {
                        *total = simd.add_f32s(*total, *value);
                    }
                }
                sums.copy_from_slice(&total);
            } else {
                for row in self.rows.chunks_exact(columns) {
                    for (sum, value) in sums.iter_mut().zip(&row[first..]) {
                        *sum += value;
                    }
                }
            }
            first += there;
        }
    }
}

/// Adds one vector to another.
pub(in crate::nn) fn add_rows(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// Bytes as numbers.
pub(in crate::nn) fn widen(arch: Arch, bytes: &[u8], numbers: &mut [f32]) {
    arch.dispatch(Widen { bytes, numbers });
}

struct Widen<'a> {
    bytes: &'a [u8],
    numbers: &'a mut [f32],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (number, byte) in self.numbers.iter_mut().zip(self.bytes) {
            *number = f32::from(*byte);
        }
    }
}
