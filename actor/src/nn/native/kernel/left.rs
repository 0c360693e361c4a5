//! How the left factor of a product lies in memory.

/// The left factor `A` of a product, `[M, K]`.
pub(in crate::nn) trait Left: Copy {
    /// Calls `step` for each `k` in ascending order with `A[row..row + R, k]`. By reference, so that they are
    /// read where they are used: then reading one and spreading it over a vector is one instruction.
    fn each<const R: usize>(self, row: usize, inner: usize, step: impl FnMut(usize, [&f32; R]));
}

/// Row-major.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Rows<'a> {
    pub(in crate::nn) values: &'a [f32],
    /// From row to row.
    pub(in crate::nn) stride: usize,
}

impl Left for Rows<'_> {
    #[inline(always)]
    fn each<const R: usize>(
        self,
        row: usize,
        inner: usize,
        mut step: impl FnMut(usize, [&f32; R]),
    ) {
        let rows: [&[f32]; R] =
            std::array::from_fn(|r| &self.values[(row + r) * self.stride..][..inner]);
        // Several rows side by side.
        #[allow(clippy::needless_range_loop)]
        for k in 0..inner {
            step(k, std::array::from_fn(|r| &rows[r][k]));
        }
    }
}

/// Patches of pictures: row `m` consists of runs of neighbours, each of the same length, that lie at
/// the same distances from where the row begins.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Patches<'a> {
    pub(in crate::nn) values: &'a [f32],
    /// Where each row begins, `[M]`.
    pub(in crate::nn) starts: &'a [usize],
    /// Where each run begins, from there.
    pub(in crate::nn) runs: &'a [usize],
    /// Elements of a run.
    pub(in crate::nn) run: usize,
}

impl Left for Patches<'_> {
    #[inline(always)]
    fn each<const R: usize>(
        self,
        row: usize,
        inner: usize,
        mut step: impl FnMut(usize, [&f32; R]),
    ) {
        debug_assert_eq!(inner, self.runs.len() * self.run);
        let starts: [usize; R] = std::array::from_fn(|r| self.starts[row + r]);
        for (j, run) in self.runs.iter().enumerate() {
            let rows: [&[f32]; R] =
                std::array::from_fn(|r| &self.values[starts[r] + run..][..self.run]);
            #[allow(clippy::needless_range_loop)]
            for i in 0..self.run {
                step(j * self.run + i, std::array::from_fn(|r| &rows[r][i]));
            }
        }
    }
}

/// Column by column: element `[m, k]` is `m` behind where column `k` begins.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Columns<'a, F> {
    pub(in crate::nn) values: &'a [f32],
    /// Where each column begins.
    pub(in crate::nn) start: F,
}

impl<F: Fn(usize) -> usize + Copy> Left for Columns<'_, F> {
    #[inline(always)]
    fn each<const R: usize>(
        self,
        row: usize,
        inner: usize,
        mut step: impl FnMut(usize, [&f32; R]),
    ) {
        // Several rows side by side.
        #[allow(clippy::needless_range_loop)]
        for k in 0..inner {
            let column = &self.values[(self.start)(k) + row..][..R];
            step(k, std::array::from_fn(|r| &column[r]));
        }
    }
}
