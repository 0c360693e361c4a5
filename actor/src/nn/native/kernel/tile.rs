//! The part of a product that fits into the machine's registers.

use pulp::Simd;

use super::factors::Factors;
use super::left::Left;

/// Vectors side by side in a tile, and in a panel of a packed factor.
pub(super) const VECTORS: usize = 2;

/// Columns of a panel on this machine.
pub(super) const fn panel_width<S: Simd>() -> usize {
    VECTORS * S::F32_LANES
}

/// A strip of the right factor: its columns for a tile, row after row.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    pub(super) values: &'a [f32],
    /// From row to row.
    pub(super) stride: usize,
    /// Columns that there are.
    pub(super) columns: usize,
}

/// Sums of `R` rows and `C` vectors of columns.
pub(super) type Sums<S, const R: usize, const C: usize> = [[<S as Simd>::f32s; C]; R];

/// Adds `A B` to the sums, term by term. `PARTIAL`: the last vector has not as many columns as the
/// machine's vectors.
#[inline(always)]
pub(super) fn accumulate<
    S: Simd,
    F: Factors,
    L: Left,
    const R: usize,
    const C: usize,
    const PARTIAL: bool,
>(
    (simd, factors): (S, F),
    (left, row): (L, usize),
    strip: Strip<'_>,
    inner: usize,
    mut sums: Sums<S, R, C>,
) -> Sums<S, R, C> {
    left.each::<R>(row, inner, |k, a| {
        let b = load::<S, C, PARTIAL>(simd, &strip.values[k * strip.stride..], strip.columns);
        for r in 0..R {
            let a = simd.splat_f32s(*a[r]);
            for c in 0..C {
                sums[r][c] = factors.mul_add(simd, a, b[c], sums[r][c]);
            }
        }
    });
    sums
}

/// `C` vectors from a row with so many columns.
#[inline(always)]
pub(super) fn load<S: Simd, const C: usize, const PARTIAL: bool>(
    simd: S,
    values: &[f32],
    columns: usize,
) -> [S::f32s; C] {
    let lanes = S::F32_LANES;
    if PARTIAL {
        std::array::from_fn(|c| {
            let range = (c * lanes).min(columns)..((c + 1) * lanes).min(columns);
            simd.partial_load_f32s(&values[range])
        })
    } else {
        let whole = &S::as_simd_f32s(values).0[..C];
        std::array::from_fn(|c| whole[c])
    }
}

/// Writes `C` vectors to a row with so many columns.
#[inline(always)]
pub(super) fn store<S: Simd, const C: usize>(
    simd: S,
    vectors: [S::f32s; C],
    values: &mut [f32],
    columns: usize,
) {
    let lanes = S::F32_LANES;
    if columns == C * lanes {
        let whole = &mut S::as_mut_simd_f32s(values).0[..C];
        whole.copy_from_slice(&vectors);
    } else {
        for (c, vector) in vectors.into_iter().enumerate() {
            let range = (c * lanes).min(columns)..((c + 1) * lanes).min(columns);
            simd.partial_store_f32s(&mut values[range], vector);
        }
    }
}
