//! The global norm of a gradient, which also tells whether all of its values are finite.

use crate::wire::{Element, Run};
use pulp::{Arch, NullaryFnOnce};

/// Sums that are kept beside each other, each of every 32nd element: enough to hide the latency of
/// an addition at the widest vectors. The number is fixed, so that each machine gives the same
/// result bit for bit.
const LANES: usize = 32;

/// Global Euclidean norm; not finite exactly if one of the values is not.
pub fn global_norm(values: &[f32]) -> f64 {
    let mut norm = NormSum::default();
    norm.add_elements(values);
    norm.norm()
}

/// The norm of a vector that comes in parts: the same bit for bit as [`global_norm`] of the whole,
/// wherever these end.
#[derive(Clone, Copy, Debug, Default)]
pub struct NormSum {
    sums: [f64; LANES],
    /// The sum that the next element belongs to.
    lane: usize,
}

impl NormSum {
    /// Adds the next part.
    pub fn add(&mut self, part: Run<'_>) {
        match part {
            Run::F32(elements) => self.add_elements(elements),
            Run::Bf16(elements) => self.add_elements(elements),
        }
    }

    /// The norm of what was added.
    pub fn norm(self) -> f64 {
        self.sums.iter().sum::<f64>().sqrt()
    }

    fn add_elements<E: Element>(&mut self, elements: &[E]) {
        let to_first_lane = (LANES - self.lane) % LANES;
        let (head, rest) = elements.split_at(to_first_lane.min(elements.len()));
        add_squares(&mut self.sums[self.lane..], head);
        Arch::new().dispatch(SquareSums {
            sums: &mut self.sums,
            elements: rest,
        });
        self.lane = (self.lane + elements.len()) % LANES;
    }
}

/// Squares of the first elements, one for each of `sums`.
#[inline(always)]
fn add_squares<E: Element>(sums: &mut [f64], elements: &[E]) {
    for (sum, element) in sums.iter_mut().zip(elements) {
        *sum += square(*element);
    }
}

#[inline(always)]
fn square<E: Element>(element: E) -> f64 {
    // The largest f32 squared is far below the largest f64: finite values have a finite sum.
    let value = f64::from(element.value());
    value * value
}

struct SquareSums<'a, E> {
    sums: &'a mut [f64; LANES],
    elements: &'a [E],
}

impl<E: Element> NullaryFnOnce for SquareSums<'_, E> {
    type Output = ();

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) {
        let (chunks, rest) = self.elements.as_chunks::<LANES>();
        // Of a known length, and nobody else's: so it stays in registers.
        let mut sums = *self.sums;
        for chunk in chunks {
            for (sum, element) in sums.iter_mut().zip(chunk) {
                *sum += square(*element);
            }
        }
        *self.sums = sums;
        add_squares(self.sums, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_norm_does_not_depend_on_where_parts_end() {
        let values: Vec<f32> = (0..999).map(|i| (i as f32 * 0.37).sin()).collect();
        for size in [1, 7, 31, 32, 33, 64, 500] {
            let mut norm = NormSum::default();
            values.chunks(size).for_each(|part| norm.add_elements(part));
            assert_eq!(norm.norm(), global_norm(&values), "{size}");
        }
    }

    /// Plain instructions first, then what `pulp` may choose instead of them on this machine.
    fn architectures() -> Vec<Arch> {
        #[cfg(target_arch = "x86_64")]
        let wider = {
            use pulp::x86::{V3, V4};
            [V3::try_new().map(Arch::V3), V4::try_new().map(Arch::V4)]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let wider = [Some(Arch::new())];
        let plain = std::iter::once(Arch::Scalar);
        plain.chain(wider.into_iter().flatten()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let values: Vec<f32> = (0..999).map(|i| (i as f32 * 0.37).sin()).collect();
        for len in [0, 1, 31, 32, 33, 500, 999] {
            let results = architectures().into_iter().map(|arch| {
                let mut sums = [0.0; LANES];
                arch.dispatch(SquareSums {
                    sums: &mut sums,
                    elements: &values[..len],
                });
                sums.map(f64::to_bits)
            });
            let results: Vec<[u64; LANES]> = results.collect();
            assert!(results.iter().all(|one| *one == results[0]), "{len}");
        }
    }
}
