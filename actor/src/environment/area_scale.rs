//! Smaller images.

use pulp::Arch;

/// Makes grey images smaller: each pixel is the mean of the area that it covers. What it gives equals, byte for byte,
/// OpenCV's `resize` with `INTER_AREA`, which the papers' preprocessing uses: the same terms are summed in the same order, in
/// single precision.
pub(super) struct AreaScale {
    arch: Arch,
    columns: Vec<Cell>,
    rows: Vec<Cell>,
    /// Pixels of a row, with zeros behind them.
    pixels: Vec<f32>,
    /// Of a column, how many weigh something at most.
    covered: usize,
    /// A row whose columns are summed up, and the sum of such rows.
    row: Vec<f32>,
    sums: Vec<f32>,
}

/// Pixels of a row or column that a smaller one covers, at most: of 250 lines, 36 are made.
const MOST: usize = 9;

/// Of a pixel, what is not worth counting.
const NOTHING: f64 = 1e-3;

/// What a smaller pixel covers, along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    /// The first pixel.
    first: usize,
    /// How much each of those from there on weighs; those that are not covered, nothing.
    weights: [f32; MOST],
}

impl Cell {
    /// Number `index` of `count` along an axis of so many pixels.
    fn new(index: usize, count: usize, pixels: usize) -> Self {
        let scale = pixels as f64 / count as f64;
        let begin = index as f64 * scale;
        let end = begin + scale;
        let width = scale.min(pixels as f64 - begin);
        let last = (end.floor() as usize).min(pixels - 1);
        let whole = (begin.ceil() as usize).min(last);
        let mut cell = Self {
            first: whole,
            weights: [0.0; MOST],
        };
        let mut covered = Vec::with_capacity(MOST);
        if whole as f64 - begin > NOTHING {
            cell.first -= 1;
            covered.push((whole as f64 - begin) / width);
        }
        covered.extend((whole..last).map(|_| 1.0 / width));
        if end - last as f64 > NOTHING {
            covered.push((end - last as f64).min(1.0).min(width) / width);
        }
        for (weight, covered) in cell.weights.iter_mut().zip(covered) {
            *weight = covered as f32;
        }
        cell
    }

    fn weights(&self) -> impl Iterator<Item = (usize, f32)> {
        let numbered = (self.first..).zip(self.weights);
        numbered.take_while(|(_, weight)| *weight != 0.0)
    }
}

impl AreaScale {
    /// From images of `[height, width]` to squares of `side`. None if they would become larger, or too small.
    pub(super) fn new([height, width]: [usize; 2], side: usize) -> Option<Self> {
        let fits = |pixels: usize| side <= pixels && pixels <= side * (MOST - 2);
        if !fits(height) || !fits(width) {
            return None;
        }
        let cells = |pixels| -> Vec<Cell> {
            (0..side)
                .map(|index| Cell::new(index, side, pixels))
                .collect()
        };
        let columns = cells(width);
        let covered = columns.iter().map(|cell| cell.weights().count());
        Some(Self {
            arch: Arch::new(),
            covered: covered.max().unwrap_or(0),
            columns,
            rows: cells(height),
            pixels: vec![0.0; width + MOST],
            row: vec![0.0; side],
            sums: vec![0.0; side],
        })
    }

    /// From `[height, width]` to `[side, side]`.
    pub(super) fn scale(&mut self, image: &[u8], scaled: &mut [u8]) {
        let arch = self.arch;
        // Compiled for each instruction set.
        arch.dispatch(|| self.scale_here(image, scaled));
    }

    #[inline(always)]
    fn scale_here(&mut self, image: &[u8], scaled: &mut [u8]) {
        let side = self.columns.len();
        let mut summed = None;
        for (index, target) in scaled.chunks_exact_mut(side).enumerate() {
            self.sums.fill(0.0);
            let cell = self.rows[index];
            for (number, weight) in cell.weights() {
                // Two smaller rows may share one.
                if summed != Some(number) {
                    self.sum_columns(image, number);
                    summed = Some(number);
                }
                for (sum, column) in self.sums.iter_mut().zip(&self.row) {
                    *sum += weight * column;
                }
            }
            for (target, sum) in target.iter_mut().zip(&self.sums) {
                *target = sum.round_ties_even() as u8;
            }
        }
    }

    /// Of a row of the image.
    #[inline(always)]
    fn sum_columns(&mut self, image: &[u8], number: usize) {
        let width = self.pixels.len() - MOST;
        let bytes = &image[number * width..][..width];
        for (pixel, byte) in self.pixels.iter_mut().zip(bytes) {
            *pixel = f32::from(*byte);
        }
        let (columns, pixels, row) = (&self.columns, &self.pixels, &mut self.row);
        match self.covered {
            0..=3 => sum::<3>(columns, pixels, row),
            4..=5 => sum::<5>(columns, pixels, row),
            _ => sum::<MOST>(columns, pixels, row),
        }
    }
}

/// The first `K` weights of each cell are all that it has.
#[inline(always)]
fn sum<const K: usize>(cells: &[Cell], pixels: &[f32], sums: &mut [f32]) {
    for (sum, cell) in sums.iter_mut().zip(cells) {
        let covered = pixels[cell.first..][..K].iter().zip(&cell.weights);
        *sum = covered.fold(0.0, |sum, (pixel, weight)| sum + pixel * weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The mean of what a pixel covers, in double precision and without tables.
    fn mean(image: &[u8], [height, width]: [usize; 2], side: usize, at: [usize; 2]) -> f64 {
        let overlap = |pixels: usize, index: usize, pixel: usize| {
            let scale = pixels as f64 / side as f64;
            let (begin, end) = (index as f64 * scale, (index + 1) as f64 * scale);
            (end.min(pixel as f64 + 1.0) - begin.max(pixel as f64)).max(0.0) / scale
        };
        let mut sum = 0.0;
        for row in 0..height {
            for column in 0..width {
                let weight = overlap(height, at[0], row) * overlap(width, at[1], column);
                sum += weight * f64::from(image[row * width + column]);
            }
        }
        sum
    }

    #[test]
    fn each_pixel_is_the_mean_of_what_it_covers() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (size, side) in [
            ([210, 160], 84),
            ([210, 160], 36),
            ([250, 160], 96),
            ([9, 7], 7),
        ] {
            let image: Vec<u8> = (0..size[0] * size[1]).map(|_| rng.random()).collect();
            let mut scaled = vec![0; side * side];
            AreaScale::new(size, side)
                .unwrap()
                .scale(&image, &mut scaled);
            for (i, found) in scaled.iter().enumerate() {
                let expected = mean(&image, size, side, [i / side, i % side]);
                let difference = (f64::from(*found) - expected).abs();
                assert!(
                    difference < 0.501,
                    "{size:?} to {side}, {i}: {found}, {expected}"
                );
            }
        }
    }

    #[test]
    fn what_would_become_larger_or_tiny_is_refused() {
        assert!(AreaScale::new([210, 160], 161).is_none());
        assert!(AreaScale::new([210, 160], 160).is_some());
        assert!(AreaScale::new([2_000, 160], 84).is_none());
    }

    #[test]
    fn a_cell_weighs_one_together() {
        for index in 0..84 {
            let cell = Cell::new(index, 84, 210);
            let sum: f32 = cell.weights().map(|(_, weight)| weight).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{cell:?}");
        }
        let expected = Cell {
            first: 2,
            weights: [0.2, 0.4, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        };
        assert_eq!(Cell::new(1, 84, 210), expected);
    }
}
