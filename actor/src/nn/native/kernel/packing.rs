//! Factors of a product, rewritten into panels as wide as a tile: one after the other, each row-major.

use pulp::{Arch, Simd, WithSimd};

use super::suited::suited;
use super::tile::panel_width;

/// Columns of the widest panel of any machine.
const WIDEST: usize = 32;

/// Room that a packed factor `[K, N]` needs.
pub(in crate::nn) fn packed_len(inner: usize, columns: usize) -> usize {
    inner * columns.next_multiple_of(WIDEST)
}

/// Packs the transpose of `rows` `[N, K]`, times `scale`: the factor `[K, N]` of a product with what lies
/// row by row, for instance a layer's weight.
pub(in crate::nn) fn pack_columns(
    arch: Arch,
    rows: &[f32],
    inner: usize,
    scale: f32,
    packed: &mut [f32],
) {
    let from = |row: usize, k: usize| rows[row * inner + k] * scale;
    let shape = [inner, rows.len() / inner.max(1)];
    pack_rows(arch, from, shape, packed);
}

/// Packs `[K, N]` whose element `[k, n]` `from(n, k)` gives.
pub(in crate::nn) fn pack_rows(
    arch: Arch,
    from: impl Fn(usize, usize) -> f32,
    shape: [usize; 2],
    packed: &mut [f32],
) {
    suited(arch, shape[1]).dispatch(Pack {
        from,
        shape,
        packed,
    });
}

struct Pack<'a, F> {
    from: F,
    /// `K` and `N`.
    shape: [usize; 2],
    packed: &'a mut [f32],
}

impl<F: Fn(usize, usize) -> f32> WithSimd for Pack<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ([inner, columns], width) = (self.shape, panel_width::<S>());
        for first in (0..columns).step_by(width) {
            let there = width.min(columns - first);
            let panel = &mut self.packed[first * inner..][..width * inner];
            for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                for (c, number) in row[..there].iter_mut().enumerate() {
                    *number = (self.from)(first + c, k);
                }
                row[there..].fill(0.0);
            }
        }
    }
}

/// `[M, N]` to `[N, M]`, in blocks that stay in the first-level cache.
pub(in crate::nn) fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    const BLOCK: usize = 16;
    let rows = from.len() / columns.max(1);
    for first_row in (0..rows).step_by(BLOCK) {
        for column in 0..columns {
            let to = &mut to[column * rows..][..rows];
            let last = rows.min(first_row + BLOCK);
            for (row, to) in (first_row..last).zip(&mut to[first_row..last]) {
                *to = from[row * columns + column];
            }
        }
    }
}
