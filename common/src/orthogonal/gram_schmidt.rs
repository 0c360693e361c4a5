//! Modified Gram–Schmidt, bundle by bundle.
//!
//! Each vector loses what it has along every earlier one, in their order. A bundle of vectors goes
//! through that side by side, so that it stays in the cache and each instruction works on several of
//! them; what is computed for each vector is the same as for one alone, number by number, and so are
//! the bits.

use pulp::{Arch, NullaryFnOnce};
use rand_chacha::ChaCha8Rng;

use super::normal::normal;

/// Vectors that go side by side. With 4 096 numbers each they fill half a MiB, a second-level cache.
const LANES: usize = 16;

/// A vector that is shorter, once it is orthogonal to the earlier ones, has no direction of its own.
const SHORTEST: f64 = 1e-6;

/// How often it is asked whether the matrix is still wanted: after so many earlier vectors.
const UNITS_BETWEEN: usize = 64;

/// Orthonormal vectors.
pub(super) struct Basis {
    length: usize,
    /// One after the other.
    units: Vec<f64>,
}

impl Basis {
    fn new(count: usize, length: usize) -> Self {
        Self {
            length,
            units: Vec::with_capacity(count * length),
        }
    }

    /// Draws `count` vectors of `length` numbers; none once `wanted` says so.
    pub(super) fn draw(
        count: usize,
        length: usize,
        rng: &mut ChaCha8Rng,
        wanted: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let mut basis = Self::new(count, length);
        while basis.count() < count {
            let vectors = LANES.min(count - basis.count());
            let mut bundle = Bundle::draw(vectors, length, rng);
            bundle.subtract(&basis, wanted)?;
            bundle.join(&mut basis);
        }
        Some(basis)
    }

    fn count(&self) -> usize {
        self.units.len() / self.length
    }

    fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.units.chunks_exact(self.length)
    }

    /// Appends them, times `gain`, as the rows of a matrix.
    pub(super) fn append_rows(&self, gain: f32, flat: &mut Vec<f32>) {
        flat.extend(self.units.iter().map(|value| gain * *value as f32));
    }

    /// Appends them, times `gain`, as the columns of a matrix: a few at a time, so that what is read
    /// and written stays in the cache.
    pub(super) fn append_columns(&self, gain: f32, flat: &mut Vec<f32>) {
        let (start, columns) = (flat.len(), self.count());
        flat.resize(start + self.units.len(), 0.0);
        for (index, units) in self.units.chunks(LANES * self.length).enumerate() {
            let first = index * LANES;
            for (row, into) in flat[start..].chunks_exact_mut(columns).enumerate() {
                let of_row = units.iter().skip(row).step_by(self.length);
                for (into, value) in into[first..].iter_mut().zip(of_row) {
                    *into = gain * *value as f32;
                }
            }
        }
    }
}

/// Vectors side by side.
struct Bundle {
    /// Those that are there; the other lanes are 0.
    vectors: usize,
    numbers: Vec<[f64; LANES]>,
}

impl Bundle {
    /// One vector after the other.
    fn draw(vectors: usize, length: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut numbers = vec![[0.0; LANES]; length];
        for lane in 0..vectors {
            for number in &mut numbers {
                number[lane] = normal(rng);
            }
        }
        Self { vectors, numbers }
    }

    /// Takes from each vector what it has along those of the basis, in their order.
    fn subtract(&mut self, basis: &Basis, wanted: &dyn Fn() -> bool) -> Option<()> {
        let mut units = basis.iter().enumerate().peekable();
        let mut along = match units.peek() {
            Some((_, first)) => self.along(first),
            None => return wanted().then_some(()),
        };
        while let Some((index, unit)) = units.next() {
            if index % UNITS_BETWEEN == 0 && !wanted() {
                return None;
            }
            // Its successor's turn comes in the same pass.
            let next = units.peek().map_or(unit, |(_, next)| next);
            along = self.pass(along, unit, next);
        }
        Some(())
    }

    /// Makes the vectors orthonormal among each other, in their order, and adds them to the basis.
    fn join(mut self, basis: &mut Basis) {
        for lane in 0..self.vectors {
            let mut vector: Vec<f64> = self.numbers.iter().map(|number| number[lane]).collect();
            let norm = dot(&vector, &vector).sqrt();
            if norm <= SHORTEST {
                continue;
            }
            vector.iter_mut().for_each(|value| *value /= norm);
            let mut along = self.along(&vector);
            along[..=lane].fill(0.0);
            self.pass(along, &vector, &vector);
            basis.units.extend(&vector);
        }
    }

    /// What each vector has along `unit`.
    fn along(&mut self, unit: &[f64]) -> [f64; LANES] {
        self.pass([0.0; LANES], unit, unit)
    }

    /// Takes `along` times `unit` from the vectors; gives what each has along `next` then.
    fn pass(&mut self, along: [f64; LANES], unit: &[f64], next: &[f64]) -> [f64; LANES] {
        Arch::new().dispatch(Pass {
            numbers: &mut self.numbers,
            along,
            unit,
            next,
        })
    }
}

struct Pass<'a> {
    numbers: &'a mut [[f64; LANES]],
    along: [f64; LANES],
    unit: &'a [f64],
    next: &'a [f64],
}

impl NullaryFnOnce for Pass<'_> {
    type Output = [f64; LANES];

    // Inlined into one function for each instruction set: that is what vectorises it there.
    // Plain loops: with iterators it is not, and has a third of the speed.
    #[inline(always)]
    fn call(self) -> [f64; LANES] {
        let (along, mut sums) = (self.along, [0.0; LANES]);
        let length = self.numbers.len();
        let (unit, next) = (&self.unit[..length], &self.next[..length]);
        for i in 0..length {
            let numbers = &mut self.numbers[i];
            for lane in 0..LANES {
                let value = numbers[lane] - along[lane] * unit[i];
                numbers[lane] = value;
                sums[lane] += next[i] * value;
            }
        }
        sums
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    fn matrix(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut flat = Vec::new();
        let basis = Basis::draw(rows.min(columns), rows.max(columns), rng, &|| true).unwrap();
        if rows <= columns {
            basis.append_rows(2.0, &mut flat);
        } else {
            basis.append_columns(2.0, &mut flat);
        }
        flat
    }

    /// One vector after the other.
    fn slow(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let (count, length) = (rows.min(columns), rows.max(columns));
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
        while basis.len() < count {
            let mut vector: Vec<f64> = (0..length).map(|_| normal(rng)).collect();
            for unit in &basis {
                let along = dot(unit, &vector);
                vector
                    .iter_mut()
                    .zip(unit)
                    .for_each(|(v, u)| *v -= along * u);
            }
            let norm = dot(&vector, &vector).sqrt();
            if norm > SHORTEST {
                vector.iter_mut().for_each(|v| *v /= norm);
                basis.push(vector);
            }
        }
        let element = |row: usize, column: usize| {
            if rows <= columns {
                basis[row][column]
            } else {
                basis[column][row]
            }
        };
        (0..rows * columns)
            .map(|i| gain * element(i / columns, i % columns) as f32)
            .collect()
    }

    #[test]
    fn side_by_side_gives_the_bits_of_one_after_the_other() {
        let sides = [1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 130];
        for rows in sides {
            for columns in sides {
                let (mut fast, mut reference) = (rng(), rng());
                let bits = |matrix: Vec<f32>| -> Vec<u32> {
                    matrix.iter().map(|value| value.to_bits()).collect()
                };
                assert_eq!(
                    bits(matrix(rows, columns, &mut fast)),
                    bits(slow(rows, columns, 2.0, &mut reference)),
                    "{rows} × {columns}"
                );
                assert_eq!(fast, reference, "the generator is where it would be");
            }
        }
    }

    #[test]
    fn a_vector_without_a_direction_of_its_own_is_drawn_again() {
        let mut bundle = Bundle::draw(3, 4, &mut rng());
        for number in &mut bundle.numbers {
            number[1] = number[0] * 3.0;
        }
        let mut basis = Basis::new(4, 4);
        bundle.join(&mut basis);
        assert_eq!(basis.count(), 2);
    }

    #[test]
    fn rows_or_columns_are_orthonormal_times_the_gain() {
        for (rows, columns) in [(3, 8), (8, 3), (70, 70)] {
            let w = matrix(rows, columns, &mut rng());
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at = |vector: usize, i: usize| {
                if rows <= columns {
                    w[vector * columns + i]
                } else {
                    w[i * columns + vector]
                }
            };
            for a in 0..count {
                for b in 0..count {
                    let product: f32 = (0..length).map(|i| at(a, i) * at(b, i)).sum();
                    assert!((product - if a == b { 4.0 } else { 0.0 }).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn what_is_not_wanted_any_more_is_given_up() {
        let asked = std::cell::Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 4
        };
        let drawn = Basis::draw(200, 200, &mut rng(), &wanted);
        assert!(drawn.is_none());
        assert_eq!(asked.get(), 4);
    }
}
