//! Wide matrices: the product of random reflections, by blocks.
//!
//! What Gram and Schmidt make of normal vectors is the Q of a QR decomposition, and that is a product
//! of Householder reflections along normal vectors, each one number shorter than the one before
//! (Stewart 1980). So nothing has to be decomposed: the reflections are drawn and multiplied, a third
//! of the work. A block of them is `I − V T Vᵀ` (Schreiber and Van Loan 1989): products of matrices,
//! which stay in the cache.

use pulp::{Arch, NullaryFnOnce};
use rand_chacha::ChaCha8Rng;

use super::normal::normal;

/// Columns of a panel.
const LANES: usize = 16;

/// Reflections that are applied together.
const BLOCK: usize = 64;

/// Panels of a block.
const PANELS: usize = BLOCK / LANES;

/// Rows of two panels that fit into a first-level cache.
const CACHED_ROWS: usize = 256;

/// Rows, or columns of the result, that one loop goes through together.
const TOGETHER: usize = 4;

type Row = [f32; LANES];

/// Orthonormal columns, in panels of [`LANES`].
pub(super) struct Columns {
    count: usize,
    length: usize,
    panels: Vec<Vec<Row>>,
}

impl Columns {
    /// Draws `count` columns of `length` numbers; none once `wanted` says so.
    pub(super) fn draw(
        count: usize,
        length: usize,
        rng: &mut ChaCha8Rng,
        wanted: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let panels = count.div_ceil(LANES);
        let mut columns = Self {
            count,
            length,
            panels: vec![vec![[0.0; LANES]; length]; panels],
        };
        for first in (0..count).step_by(BLOCK).rev() {
            let block = Block::draw(first..count.min(first + BLOCK), length, rng);
            columns.begin(first, &block.signs);
            for panel in &mut columns.panels[first / LANES..] {
                if !wanted() {
                    return None;
                }
                block.reflect(&mut panel[first..]);
            }
        }
        Some(columns)
    }

    /// The unit vectors that the columns from `first` on are before they are reflected.
    fn begin(&mut self, first: usize, signs: &[f32]) {
        for (column, sign) in (first..).zip(signs) {
            self.panels[column / LANES][column][column % LANES] = *sign;
        }
    }

    /// Appends them, times `gain`, as the rows of a matrix.
    pub(super) fn append_rows(&self, gain: f32, flat: &mut Vec<f32>) {
        for column in 0..self.count {
            let lane = column % LANES;
            let panel = &self.panels[column / LANES];
            flat.extend(panel.iter().map(|row| gain * row[lane]));
        }
    }

    /// Appends them, times `gain`, as the columns of a matrix.
    pub(super) fn append_columns(&self, gain: f32, flat: &mut Vec<f32>) {
        for row in 0..self.length {
            let values = self.panels.iter().flat_map(|panel| panel[row]);
            flat.extend(values.take(self.count).map(|value| gain * value));
        }
    }
}

/// Reflections along vectors of which each begins one row below the one before.
struct Block {
    /// The vectors, of length 1, side by side; those of a last block that is not full are 0.
    vectors: [Vec<Row>; PANELS],
    /// T.
    factor: Vec<[f32; BLOCK]>,
    /// Whether each reflection turns its axis around: the column is turned back.
    signs: Vec<f32>,
}

impl Block {
    fn draw(columns: std::ops::Range<usize>, length: usize, rng: &mut ChaCha8Rng) -> Self {
        let rows = length - columns.start;
        let mut vectors = std::array::from_fn(|_| vec![[0.0; LANES]; rows]);
        let mut signs = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            let mut vector: Vec<f64> = (column..rows).map(|_| normal(rng)).collect();
            signs.push(make_mirror(&mut vector));
            let panel: &mut Vec<Row> = &mut vectors[column / LANES];
            for (row, value) in panel[column..].iter_mut().zip(vector) {
                row[column % LANES] = value as f32;
            }
        }
        let factor = factor(&vectors, columns.len());
        Self {
            vectors,
            factor,
            signs,
        }
    }

    fn reflect(&self, panel: &mut [Row]) {
        Arch::new().dispatch(Reflect { block: self, panel });
    }
}

/// Turns `x` into the direction of the mirror that takes it to the first axis; gives the sign there.
fn make_mirror(x: &mut [f64]) -> f32 {
    let norm = |x: &[f64]| x.iter().map(|value| value * value).sum::<f64>().sqrt();
    let sign = x[0].signum();
    x[0] += sign * norm(x);
    let length = norm(x);
    x.iter_mut().for_each(|value| *value /= length);
    -sign as f32
}

/// T, upper triangular, of the first `count` vectors.
fn factor(vectors: &[Vec<Row>; PANELS], count: usize) -> Vec<[f32; BLOCK]> {
    let mut products = vec![[0.0; BLOCK]; BLOCK];
    for (panel, vectors_of_panel) in vectors.iter().enumerate() {
        let with_panel = Arch::new().dispatch(Products {
            vectors,
            panel: vectors_of_panel,
        });
        for (products, row) in products.iter_mut().zip(with_panel) {
            products[panel * LANES..][..LANES].copy_from_slice(&row);
        }
    }
    let mut factor = vec![[0.0; BLOCK]; BLOCK];
    for column in 0..count {
        let twice = 2.0 / products[column][column];
        let of_row = |row: usize| {
            let along = (row..column).map(|k| factor[row][k] * products[k][column]);
            -twice * along.sum::<f32>()
        };
        let above: Vec<f32> = (0..column).map(of_row).collect();
        for (factor, value) in factor.iter_mut().zip(above) {
            factor[column] = value;
        }
        factor[column][column] = twice;
    }
    factor
}

/// `Vᵀ Q` for a panel of Q.
struct Products<'a> {
    vectors: &'a [Vec<Row>; PANELS],
    panel: &'a [Row],
}

impl NullaryFnOnce for Products<'_> {
    type Output = [Row; BLOCK];

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) -> [Row; BLOCK] {
        products(self.vectors, self.panel)
    }
}

/// `Q − V T Vᵀ Q` for a panel of Q.
struct Reflect<'a> {
    block: &'a Block,
    panel: &'a mut [Row],
}

impl NullaryFnOnce for Reflect<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let products = products(&self.block.vectors, self.panel);
        let mut weights = [[0.0; LANES]; BLOCK];
        for (weights, factors) in weights.iter_mut().zip(&self.block.factor) {
            for (factor, products) in factors.iter().zip(&products) {
                for (weight, product) in weights.iter_mut().zip(products) {
                    *weight += factor * product;
                }
            }
        }
        let (quads, rest) = self.panel.as_chunks_mut::<TOGETHER>();
        let done = quads.len() * TOGETHER;
        for (index, rows) in quads.iter_mut().enumerate() {
            subtract(rows, &self.block.vectors, index * TOGETHER, &weights);
        }
        for (index, row) in rest.iter_mut().enumerate() {
            let rows = std::array::from_mut(row);
            subtract(rows, &self.block.vectors, done + index, &weights);
        }
    }
}

// Plain loops: with iterators it is not vectorised, and has a twentieth of the speed.
#[inline(always)]
fn products(vectors: &[Vec<Row>; PANELS], panel: &[Row]) -> [Row; BLOCK] {
    let mut sums = [[0.0; LANES]; BLOCK];
    let (groups, _) = sums.as_chunks_mut::<TOGETHER>();
    for (chunk, rows) in panel.chunks(CACHED_ROWS).enumerate() {
        let start = chunk * CACHED_ROWS;
        for (group, sums) in groups.iter_mut().enumerate() {
            let of_panel = &vectors[group * TOGETHER / LANES][start..start + rows.len()];
            let quad = group % (LANES / TOGETHER);
            // Nobody else's: so it stays in registers.
            let mut own = *sums;
            for (row, vectors) in rows.iter().zip(of_panel) {
                let vectors = &vectors.as_chunks::<TOGETHER>().0[quad];
                for i in 0..TOGETHER {
                    for j in 0..LANES {
                        own[i][j] += vectors[i] * row[j];
                    }
                }
            }
            *sums = own;
        }
    }
    sums
}

/// Takes `V · weights` from the rows that begin with `first`.
#[inline(always)]
fn subtract<const N: usize>(
    rows: &mut [Row; N],
    vectors: &[Vec<Row>; PANELS],
    first: usize,
    weights: &[Row; BLOCK],
) {
    let (groups, _) = weights.as_chunks::<LANES>();
    let mut own = *rows;
    for (of_panel, weights) in vectors.iter().zip(groups) {
        let Some(vectors) = of_panel[first..].first_chunk::<N>() else {
            return;
        };
        for lane in 0..LANES {
            for i in 0..N {
                for j in 0..LANES {
                    own[i][j] -= vectors[i][lane] * weights[lane][j];
                }
            }
        }
    }
    *rows = own;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SIZES: [(usize, usize); 8] = [
        (1, 1),
        (1, 9),
        (5, 7),
        (16, 16),
        (64, 300),
        (65, 66),
        (130, 131),
        (200, 200),
    ];

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(3)
    }

    fn columns(count: usize, length: usize) -> Vec<f32> {
        let columns = Columns::draw(count, length, &mut rng(), &|| true).unwrap();
        let mut flat = Vec::new();
        columns.append_rows(1.0, &mut flat);
        flat
    }

    /// One reflection after the other, in `f64`, along the same vectors.
    fn slow(count: usize, length: usize) -> Vec<f64> {
        let mut rng = rng();
        let mut columns = vec![vec![0.0; length]; count];
        for first in (0..count).step_by(BLOCK).rev() {
            let mut mirrors = Vec::new();
            let last = count.min(first + BLOCK);
            for (column, unit) in columns.iter_mut().enumerate().take(last).skip(first) {
                let mut vector: Vec<f64> = (column..length).map(|_| normal(&mut rng)).collect();
                unit[column] = f64::from(make_mirror(&mut vector));
                mirrors.push((column, vector));
            }
            for (start, mirror) in mirrors.iter().rev() {
                for column in &mut columns {
                    let part = &mut column[*start..];
                    let along: f64 = part.iter().zip(mirror).map(|(x, v)| x * v).sum();
                    let pairs = part.iter_mut().zip(mirror);
                    pairs.for_each(|(x, v)| *x -= 2.0 * along * v);
                }
            }
        }
        columns.concat()
    }

    #[test]
    fn blocks_give_what_one_reflection_after_the_other_gives() {
        for (count, length) in SIZES {
            let (fast, slow) = (columns(count, length), slow(count, length));
            for (fast, slow) in fast.iter().zip(&slow) {
                let near = (f64::from(*fast) - slow).abs() < 1e-5;
                assert!(near, "{count} × {length}: {fast}, expected {slow}");
            }
        }
    }

    #[test]
    fn columns_are_orthonormal_and_stand_as_they_are_asked_for() {
        for (count, length) in SIZES {
            let rows = columns(count, length);
            for (a, one) in rows.chunks(length).enumerate() {
                for (b, other) in rows.chunks(length).enumerate() {
                    let product: f32 = one.iter().zip(other).map(|(x, y)| x * y).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-5, "{count} × {length}");
                }
            }
            let drawn = Columns::draw(count, length, &mut rng(), &|| true).unwrap();
            let mut flat = Vec::new();
            drawn.append_columns(2.0, &mut flat);
            for (i, value) in flat.iter().enumerate() {
                let (row, column) = (i / count, i % count);
                assert_eq!(*value, 2.0 * rows[column * length + row]);
            }
        }
    }

    /// What is not special must not be: the axes, and the sign of the diagonal.
    #[test]
    fn no_axis_and_no_sign_is_preferred() {
        let (count, length) = (300, 300);
        let rows = columns(count, length);
        let mean_square = |values: &[f32]| {
            values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32
        };
        let diagonal: Vec<f32> = (0..count).map(|i| rows[i * length + i]).collect();
        let ratio = mean_square(&diagonal) * length as f32;
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
        let positive = diagonal.iter().filter(|value| **value > 0.0).count();
        assert!((110..190).contains(&positive), "{positive}");
    }

    #[test]
    fn each_machine_gives_the_same_bits() {
        let block = Block::draw(0..40, 90, &mut rng());
        let panel = vec![[0.25; LANES]; 90];
        let reflected = |arch: Arch| {
            let mut panel = panel.clone();
            arch.dispatch(Reflect {
                block: &block,
                panel: &mut panel,
            });
            panel
        };
        assert_eq!(reflected(Arch::Scalar), reflected(Arch::new()));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_given_up() {
        let asked = std::cell::Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        assert!(Columns::draw(100, 100, &mut rng(), &wanted).is_none());
        assert_eq!(asked.get(), 3);
    }
}
