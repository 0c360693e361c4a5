//! The global norm of a gradient, which also tells whether all of its values are finite.

use pulp::{Arch, NullaryFnOnce};
use troop_common::wire::BLOCK_ELEMENTS;

/// Sums that are kept beside each other: enough to hide the latency of an addition at the widest
/// vectors. The number is fixed, so that each machine gives the same result bit for bit.
const LANES: usize = 32;

/// Global Euclidean norm; not finite exactly where one of the values is not.
pub fn global_norm(values: &[f32]) -> f64 {
    let mut norm = NormSum::default();
    values
        .chunks(BLOCK_ELEMENTS)
        .for_each(|block| norm.add(block));
    norm.norm()
}

/// The norm of a vector that comes in blocks of [`BLOCK_ELEMENTS`]: the same bit for bit as
/// [`global_norm`] of the whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NormSum(f64);

impl NormSum {
    /// Adds the next block.
    pub(crate) fn add(&mut self, values: &[f32]) {
        self.0 += Arch::new().dispatch(SquareSum { values });
    }

    /// The norm of what was added.
    pub(crate) fn norm(self) -> f64 {
        self.0.sqrt()
    }
}

struct SquareSum<'a> {
    values: &'a [f32],
}

impl NullaryFnOnce for SquareSum<'_> {
    type Output = f64;

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) -> f64 {
        // The largest f32 squared is far below the largest f64: finite values have a finite sum.
        let square = |value: f32| f64::from(value) * f64::from(value);
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        let mut sums = [0.0_f64; LANES];
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += square(*value);
            }
        }
        let tail: f64 = rest.iter().map(|value| square(*value)).sum();
        sums.iter().sum::<f64>() + tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architectures::architectures;

    #[test]
    fn the_norm_covers_whole_lanes_and_the_rest() {
        assert_eq!(global_norm(&[3.0, 4.0]), 5.0);
        assert_eq!(global_norm(&[2.0; 100]), 20.0);
        assert_eq!(global_norm(&[]), 0.0);
        for len in 0..200 {
            let values: Vec<f32> = (0..len).map(|i| 0.1 * i as f32 - 3.0).collect();
            let plain: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
            assert!(
                (global_norm(&values) - plain.sqrt()).abs() <= 1e-12 * plain,
                "{len}"
            );
        }
    }

    #[test]
    fn the_norm_is_finite_exactly_where_all_values_are() {
        for at in [0, 31, 32, 63, 64, 70] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = [1.0; 71];
                values[at] = bad;
                assert!(!global_norm(&values).is_finite(), "{bad} at {at}");
            }
        }
        assert!(global_norm(&[f32::MAX; 100]).is_finite());
        assert!(global_norm(&[f32::MIN; 100]).is_finite());
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let values: Vec<f32> = (0..999).map(|i| (i as f32 * 0.37).sin()).collect();
        for len in [0, 1, 31, 32, 33, 500, 999] {
            let sums = architectures().map(|arch| {
                arch.dispatch(SquareSum {
                    values: &values[..len],
                })
            });
            let bits: Vec<u64> = sums.map(f64::to_bits).collect();
            assert!(bits.iter().all(|one| *one == bits[0]), "{len}: {bits:?}");
        }
    }
}
