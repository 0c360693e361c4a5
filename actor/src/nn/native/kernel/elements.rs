//! What an element of a product's factors holds.

use pulp::Arch;
use troop_common::experiment::Precision;

use super::left::Left;
use super::packing::{pack_rows, packed_len};
use super::pairs::{pair, pair_neighbours, pair_rows};
use super::product::{Product, multiply, multiply_pairs};
use super::suited::knows_pairs;
use crate::nn::native::buffer::Buffer;

/// A number, or two that are added up together.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Elements(Precision);

impl Elements {
    /// Of this precision.
    pub(in crate::nn) fn of(precision: Precision) -> Self {
        Self(precision)
    }

    /// Numbers of an element.
    pub(in crate::nn) fn numbers(self) -> usize {
        match self.0 {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
        }
    }

    /// Packs a product's right factor, so many numbers `[K, N]`, of which `from(n, k)` gives each.
    pub(in crate::nn) fn pack(
        self,
        arch: Arch,
        from: impl Fn(usize, usize) -> f32,
        [inner, columns]: [usize; 2],
        packed: &mut Buffer,
    ) {
        let shape = [inner / self.numbers(), columns];
        let packed = packed.resize(packed_len(shape[0], columns));
        match self.0 {
            Precision::F32 => pack_rows(arch, from, shape, packed),
            Precision::Bf16 => {
                let pairs = |n, k| pair(from(n, 2 * k), from(n, 2 * k + 1));
                pack_rows(knows_pairs(arch), pairs, shape, packed);
            }
        }
    }

    /// Elements for sums over neighbours.
    pub(in crate::nn) fn neighbours<'a>(
        self,
        arch: Arch,
        numbers: &'a [f32],
        room: &'a mut Buffer,
    ) -> &'a [f32] {
        match self.0 {
            Precision::F32 => numbers,
            Precision::Bf16 => {
                let pairs = room.resize(numbers.len() / 2);
                pair_neighbours(arch, numbers, pairs);
                pairs
            }
        }
    }

    /// Elements for sums over rows of so many numbers.
    pub(in crate::nn) fn rows<'a>(
        self,
        arch: Arch,
        numbers: &'a [f32],
        len: usize,
        room: &'a mut Buffer,
    ) -> &'a [f32] {
        match self.0 {
            Precision::F32 => numbers,
            Precision::Bf16 => {
                let pairs = room.resize((numbers.len() / len).div_ceil(2) * len);
                pair_rows(arch, numbers, len, pairs);
                pairs
            }
        }
    }

    /// Computes a product of them.
    pub(in crate::nn) fn multiply<L: Left>(self, arch: Arch, product: Product<'_, L>) {
        match self.0 {
            Precision::F32 => multiply(arch, product),
            Precision::Bf16 => multiply_pairs(arch, product),
        }
    }
}
