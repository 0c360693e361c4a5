//! Pairs of bfloat16: two numbers where one `f32` would be, the first in the higher half.
//!
//! A product of them takes half as many steps. Each number is the nearest bfloat16 to what it was, and what is added up stays `f32`, in
//! the order of the index. So the bits of a product are those of a product of the rounded numbers, unless some are below
//! 1.2e-38, which some machines take for 0.

use pulp::{Arch, NullaryFnOnce};
use troop_common::wire::bf16_bits;

/// Two numbers.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(u32::from(bf16_bits(first)) << 16 | u32::from(bf16_bits(second)))
}

/// Pairs of neighbours.
///
/// # Panics
/// If there is not a pair for each two of the numbers.
pub(super) fn pair_neighbours(arch: Arch, numbers: &[f32], pairs: &mut [f32]) {
    assert_eq!(numbers.len(), 2 * pairs.len(), "two numbers for each pair");
    arch.dispatch(Neighbours { numbers, pairs });
}

/// Pairs of what stands at the same place in rows of so many numbers: of the first and the second row, the third and the
/// fourth, and so on; of a last row without a fellow, with 0.
///
/// # Panics
/// If there is not a row of pairs for each two rows.
pub(super) fn pair_rows(arch: Arch, numbers: &[f32], len: usize, pairs: &mut [f32]) {
    let rows = numbers.len() / len;
    let expected = rows.div_ceil(2) * len;
    assert_eq!(pairs.len(), expected, "a row of pairs for each two rows");
    for (rows, pairs) in numbers.chunks(2 * len).zip(pairs.chunks_exact_mut(len)) {
        let rows = rows.split_at(len);
        arch.dispatch(Rows { rows, pairs });
    }
}

struct Neighbours<'a> {
    numbers: &'a [f32],
    pairs: &'a mut [f32],
}

impl NullaryFnOnce for Neighbours<'_> {
    type Output = ();

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) {
        let (numbers, _) = self.numbers.as_chunks();
        for (to, [first, second]) in self.pairs.iter_mut().zip(numbers) {
            *to = pair(*first, *second);
        }
    }
}

struct Rows<'a> {
    /// The second may be empty.
    rows: (&'a [f32], &'a [f32]),
    pairs: &'a mut [f32],
}

impl NullaryFnOnce for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (first, second) = self.rows;
        if second.is_empty() {
            for (to, first) in self.pairs.iter_mut().zip(first) {
                *to = pair(*first, 0.0);
            }
        } else {
            for (to, (first, second)) in self.pairs.iter_mut().zip(first.iter().zip(second)) {
                *to = pair(*first, *second);
            }
        }
    }
}
