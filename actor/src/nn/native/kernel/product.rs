//! Matrix products.

use pulp::{Arch, Simd, WithSimd};
#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, Scalar};

#[cfg(target_arch = "x86_64")]
use super::bf16::Instruction;
use super::factors::{Factors, Pairs, Singles};
use super::left::Left;
use super::suited::suited;
use super::tile::{Strip, Sums, VECTORS, accumulate, load, panel_width, store};

/// The right factor `B` of a product, `[K, N]`.
#[derive(Clone, Copy)]
pub(in crate::nn) enum Right<'a> {
    /// As [`pack_columns`](super::pack_columns) or [`pack_rows`](super::pack_rows) wrote it.
    Packed(&'a [f32]),
    /// Row-major, with the distance from row to row.
    Rows(&'a [f32], usize),
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(in crate::nn) enum Start<'a> {
    /// Nothing.
    Zero,
    /// One number for each column, `[N]`.
    ForColumns(&'a [f32]),
    /// One number for each row, `[M]`.
    ForRows(&'a [f32]),
    /// What stands there already.
    Output,
}

/// How a product is written.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::nn) enum Placement {
    /// Row-major, with so many numbers from row to row.
    Rows(usize),
    /// Column by column, with so many numbers from column to column.
    Columns(usize),
}

/// `C = start + A B` with `A` `[M, K]` and `B` `[K, N]`.
pub(in crate::nn) struct Product<'a, L> {
    pub(in crate::nn) left: L,
    pub(in crate::nn) right: Right<'a>,
    pub(in crate::nn) start: Start<'a>,
    /// `M`, `K` and `N`.
    pub(in crate::nn) shape: [usize; 3],
    pub(in crate::nn) placement: Placement,
    pub(in crate::nn) output: &'a mut [f32],
}

/// Computes a product.
pub(in crate::nn) fn multiply<L: Left>(arch: Arch, product: Product<'_, L>) {
    suited(arch, product.shape[2]).dispatch(Of(Singles, product));
}

/// Computes a product of [pairs](super::pairs), on the instructions that [know them](super::suited::knows_pairs).
pub(super) fn multiply_pairs<L: Left>(arch: Arch, product: Product<'_, L>) {
    #[cfg(target_arch = "x86_64")]
    match suited(arch, product.shape[2]) {
        Arch::V4(simd) => match Instruction::of(simd) {
            Some(instruction) => instruction.vectorize(By(instruction, product)),
            None => Simd::vectorize(*simd, Of(Pairs, product)),
        },
        Arch::V3(simd) => Simd::vectorize(simd, Of(Pairs, product)),
        _ => Simd::vectorize(Scalar, Of(Pairs, product)),
    }
    #[cfg(not(target_arch = "x86_64"))]
    suited(arch, product.shape[2]).dispatch(Of(Pairs, product));
}

/// A product of factors with such elements.
struct Of<'a, F, L>(F, Product<'a, L>);

impl<F: Factors, L: Left> WithSimd for Of<'_, F, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.1.compute(simd, self.0);
    }
}

/// A product of pairs by the instruction for them.
#[cfg(target_arch = "x86_64")]
struct By<'a, L>(Instruction, Product<'a, L>);

#[cfg(target_arch = "x86_64")]
impl<L: Left> NullaryFnOnce for By<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.1.compute(self.0.simd(), self.0);
    }
}

impl<L: Left> Product<'_, L> {
    /// With these instructions, to be inlined where they are switched on.
    #[inline(always)]
    pub(super) fn compute<S: Simd, F: Factors>(mut self, simd: S, factors: F) {
        let by = (simd, factors);
        let columns = self.shape[2];
        for column in (0..columns).step_by(panel_width::<S>()) {
            let left = columns - column;
            // Whatever is packed has zeros behind the last column.
            let partial = left < panel_width::<S>() && matches!(self.right, Right::Rows(..));
            match (left <= S::F32_LANES, partial) {
                (false, false) => self.panel::<S, F, VECTORS, false>(by, column),
                (false, true) => self.panel::<S, F, VECTORS, true>(by, column),
                (true, false) => self.panel::<S, F, 1, false>(by, column),
                (true, true) => self.panel::<S, F, 1, true>(by, column),
            }
        }
    }

    /// All rows of `C` vectors of columns.
    #[inline(always)]
    fn panel<S: Simd, F: Factors, const C: usize, const PARTIAL: bool>(
        &mut self,
        by: (S, F),
        column: usize,
    ) {
        let rows = self.shape[0];
        let many = S::REGISTER_COUNT >= 32 || C == 1;
        let mut row = 0;
        while row < rows {
            row += match rows - row {
                // As many sums as there are registers for: what is added to one has to wait for it.
                12.. if many => self.tile::<S, F, 12, C, PARTIAL>(by, row, column),
                8.. if many => self.tile::<S, F, 8, C, PARTIAL>(by, row, column),
                4.. => self.tile::<S, F, 4, C, PARTIAL>(by, row, column),
                2.. => self.tile::<S, F, 2, C, PARTIAL>(by, row, column),
                _ => self.tile::<S, F, 1, C, PARTIAL>(by, row, column),
            };
        }
    }

    /// `R` rows of `C` vectors of columns; gives `R`.
    #[inline(always)]
    fn tile<S: Simd, F: Factors, const R: usize, const C: usize, const PARTIAL: bool>(
        &mut self,
        by: (S, F),
        row: usize,
        column: usize,
    ) -> usize {
        let inner = self.shape[1];
        let columns = (self.shape[2] - column).min(C * S::F32_LANES);
        let strip = match self.right {
            Right::Packed(values) => Strip {
                values: &values[column * inner..],
                stride: panel_width::<S>(),
                columns,
            },
            Right::Rows(values, stride) => Strip {
                values: &values[column..],
                stride,
                columns,
            },
        };
        let sums = self.start::<S, R, C>(by.0, row, column, columns);
        let sums = accumulate::<S, F, L, R, C, PARTIAL>(by, (self.left, row), strip, inner, sums);
        self.finish::<S, R, C>(by.0, sums, row, column, columns);
        R
    }

    #[inline(always)]
    fn start<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        columns: usize,
    ) -> Sums<S, R, C> {
        match (self.start, self.placement) {
            (Start::Zero, _) => [[simd.splat_f32s(0.0); C]; R],
            (Start::ForColumns(values), _) => {
                [load::<S, C, true>(simd, &values[column..], columns); R]
            }
            (Start::ForRows(values), _) => {
                std::array::from_fn(|r| [simd.splat_f32s(values[row + r]); C])
            }
            (Start::Output, Placement::Rows(stride)) => std::array::from_fn(|r| {
                load::<S, C, true>(simd, &self.output[(row + r) * stride + column..], columns)
            }),
            (Start::Output, Placement::Columns(stride)) => std::array::from_fn(|r| {
                let mut sums = [simd.splat_f32s(0.0); C];
                let numbers: &mut [f32] = bytemuck::cast_slice_mut(&mut sums);
                for (c, number) in numbers[..columns].iter_mut().enumerate() {
                    *number = self.output[(column + c) * stride + row + r];
                }
                sums
            }),
        }
    }

    #[inline(always)]
    fn finish<S: Simd, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        sums: Sums<S, R, C>,
        row: usize,
        column: usize,
        columns: usize,
    ) {
        match self.placement {
            Placement::Rows(stride) => {
                for (r, sums) in sums.into_iter().enumerate() {
                    let output = &mut self.output[(row + r) * stride + column..];
                    store::<S, C>(simd, sums, output, columns);
                }
            }
            Placement::Columns(stride) => {
                let numbers: [&[f32]; R] = std::array::from_fn(|r| bytemuck::cast_slice(&sums[r]));
                for c in 0..columns {
                    let output = &mut self.output[(column + c) * stride + row..][..R];
                    for (output, numbers) in output.iter_mut().zip(numbers) {
                        *output = numbers[c];
                    }
                }
            }
        }
    }
}
