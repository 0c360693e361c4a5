//! The global norm of a gradient, which also tells whether all of its values are finite.

use crate::wire::{Element, Run};
use pulp::{Arch, NullaryFnOnce};

/// Sums that are kept beside each other, each of every 32nd element: enough to hide the latency of
/// an addition at the widest vectors. The number is fixed, so that each machine gives the same
/// result bit for bit.
const LANES: usize = 32;

/// Elements whose squares are summed by themselves.
const BLOCK: usize = 1 << 14;

/// Blocks that are summed at once: a core that reads four places of memory in turns waits for it less than if it read one
/// place after the other.
const AT_ONCE: usize = 4;

/// Elements that are best summed at once. Whoever has a part of a vector in the cache can sum it, in any order.
pub const PART: usize = AT_ONCE * BLOCK;

/// The squares of a part's blocks, summed for each; 0 for those past its end.
pub type PartSums = [f64; AT_ONCE];

/// Global Euclidean norm; not finite exactly if one of the values is not.
pub fn global_norm(values: &[f32]) -> f64 {
    let mut norm = NormSum::default();
    norm.add_elements(values);
    norm.norm()
}

/// The sums of the [`PART`] elements that come next in a vector, or of fewer at its end. The root of all parts' sums, added up
/// in order, is the [`global_norm`] to the bit.
pub fn part_sums(part: Run<'_>) -> PartSums {
    match part {
        Run::F32(elements) => sums_of_part(elements),
        Run::Bf16(elements) => sums_of_part(elements),
    }
}

/// The norm of a vector that comes in pieces: the same bit for bit as [`global_norm`] of the whole,
/// wherever these end.
#[derive(Clone, Copy, Debug, Default)]
pub struct NormSum {
    /// Of whole blocks.
    blocks: f64,
    /// Of the block that has begun.
    begun: BlockSum,
}

impl NormSum {
    /// Adds the next piece.
    pub fn add(&mut self, piece: Run<'_>) {
        match piece {
            Run::F32(elements) => self.add_elements(elements),
            Run::Bf16(elements) => self.add_elements(elements),
        }
    }

    /// The norm of what was added.
    pub fn norm(self) -> f64 {
        (self.blocks + self.begun.sum()).sqrt()
    }

    fn add_elements<E: Element>(&mut self, elements: &[E]) {
        let (to_blocks_end, rest) = elements.split_at(self.begun.left().min(elements.len()));
        self.add_to_block(to_blocks_end);
        let mut parts = rest.chunks_exact(PART);
        for sum in parts.by_ref().flat_map(sums_of_part) {
            self.blocks += sum;
        }
        let rest = parts.remainder().chunks(BLOCK);
        rest.for_each(|elements| self.add_to_block(elements));
    }

    fn add_to_block<E: Element>(&mut self, elements: &[E]) {
        self.begun.add(elements);
        if self.begun.len == BLOCK {
            self.blocks += std::mem::take(&mut self.begun).sum();
        }
    }
}

fn sums_of_part<E: Element>(part: &[E]) -> PartSums {
    let mut sums = [0.0; AT_ONCE];
    if let Ok(blocks) = <&[[E; BLOCK]; AT_ONCE]>::try_from(part.as_chunks().0) {
        let mut lanes = [[0.0; LANES]; AT_ONCE];
        square_sums(&mut lanes, blocks.each_ref().map(|block| &block[..]));
        sums = lanes.map(|lanes| lanes.iter().sum());
    } else {
        for (sum, elements) in sums.iter_mut().zip(part.chunks(BLOCK)) {
            let mut block = BlockSum::default();
            block.add(elements);
            *sum = block.sum();
        }
    }
    sums
}

/// The squares of a block of which some elements have come.
#[derive(Clone, Copy, Debug, Default)]
struct BlockSum {
    lanes: [f64; LANES],
    len: usize,
}

impl BlockSum {
    fn add<E: Element>(&mut self, elements: &[E]) {
        let lane = self.len % LANES;
        let to_first_lane = (LANES - lane) % LANES;
        let (head, rest) = elements.split_at(to_first_lane.min(elements.len()));
        add_squares(&mut self.lanes[lane..], head);
        square_sums(std::array::from_mut(&mut self.lanes), [rest]);
        self.len += elements.len();
    }

    /// Elements that are missing of one that has begun.
    fn left(&self) -> usize {
        (BLOCK - self.len) % BLOCK
    }

    fn sum(&self) -> f64 {
        self.lanes.iter().sum()
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

/// Adds the squares of each slice to its sums; the slices are equally long.
fn square_sums<E: Element, const N: usize>(sums: &mut [[f64; LANES]; N], slices: [&[E]; N]) {
    Arch::new().dispatch(SquareSums { sums, slices });
}

struct SquareSums<'a, E, const N: usize> {
    sums: &'a mut [[f64; LANES]; N],
    slices: [&'a [E]; N],
}

impl<E: Element, const N: usize> NullaryFnOnce for SquareSums<'_, E, N> {
    type Output = ();

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) {
        let slices = self.slices.map(|slice| slice.as_chunks::<LANES>());
        let chunks = slices.map(|(chunks, _)| chunks);
        // Of a known length, and nobody else's: so they stay in registers.
        let mut sums = *self.sums;
        for at in 0..chunks[0].len() {
            for (sums, chunks) in sums.iter_mut().zip(chunks) {
                for (sum, element) in sums.iter_mut().zip(&chunks[at]) {
                    *sum += square(*element);
                }
            }
        }
        *self.sums = sums;
        for (sums, (_, rest)) in self.sums.iter_mut().zip(slices) {
            add_squares(sums, rest);
        }
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
        let values: Vec<f32> = (0..2 * PART + BLOCK + 999)
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        for len in [0, 999, BLOCK - 1, BLOCK, BLOCK + 1, PART, values.len()] {
            let values = &values[..len];
            for size in [1, 7, 31, 32, 33, 64, 500, BLOCK - 1, BLOCK, PART, PART + 33] {
                let mut norm = NormSum::default();
                values.chunks(size).for_each(|part| norm.add_elements(part));
                assert_eq!(norm.norm(), global_norm(values), "{len} by {size}");
            }
        }
    }

    #[test]
    fn parts_that_are_summed_by_themselves_make_the_norm_to_the_bit() {
        let values: Vec<f32> = (0..2 * PART + BLOCK + 77)
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        for len in [0, 77, BLOCK, PART - 1, PART, PART + 1, values.len()] {
            let encoded = values[..len].iter().map(|value| value.to_le_bytes());
            let encoded: Vec<[u8; 4]> = encoded.collect();
            let parts = encoded.chunks(PART).map(|part| part_sums(Run::F32(part)));
            let norm = parts.flatten().sum::<f64>().sqrt();
            assert_eq!(norm, global_norm(&values[..len]), "{len}");
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
                let mut sums = [[0.0; LANES]; 2];
                arch.dispatch(SquareSums {
                    sums: &mut sums,
                    slices: [&values[..len], &values[999 - len..]],
                });
                sums.map(|sums| sums.map(f64::to_bits))
            });
            let results: Vec<[[u64; LANES]; 2]> = results.collect();
            assert!(results.iter().all(|one| *one == results[0]), "{len}");
        }
    }
}
