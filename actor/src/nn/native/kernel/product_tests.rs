//! Products against their definition in f64, in every way that they can lie in memory.

use pulp::Arch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::nn::native::kernel::left::Left;

/// The instruction sets that this machine can run.
pub(in crate::nn) fn architectures() -> Vec<Arch> {
    let mut all = vec![Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        use pulp::x86::{V3, V4};
        all.extend(V3::try_new().map(Arch::V3));
        all.extend(V4::try_new().map(Arch::V4));
    }
    #[cfg(not(target_arch = "x86_64"))]
    all.push(Arch::new());
    all
}

pub(in crate::nn) fn random(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let mut to = vec![0.0; values.len()];
    transpose(values, columns, &mut to);
    to
}

struct Case {
    shape: [usize; 3],
    /// `[M, K]`, `[K, N]`, `[M, N]`
    left: Vec<f32>,
    right: Vec<f32>,
    before: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(shape: [usize; 3], rng: &mut ChaCha8Rng) -> Self {
        let [m, k, n] = shape;
        Self {
            shape,
            left: random(m * k, rng),
            right: random(k * n, rng),
            before: random(m * n, rng),
            bias: random(m.max(n), rng),
        }
    }

    fn slow(&self, start: Start<'_>) -> Vec<f64> {
        let [m, k, n] = self.shape;
        let element = |i: usize| {
            let (row, column) = (i / n, i % n);
            let start = match start {
                Start::Zero => 0.0,
                Start::ForColumns(values) => values[column],
                Start::ForRows(values) => values[row],
                Start::Output => self.before[i],
            };
            (0..k).fold(f64::from(start), |sum, k_| {
                sum + f64::from(self.left[row * k + k_]) * f64::from(self.right[k_ * n + column])
            })
        };
        (0..m * n).map(element).collect()
    }

    fn fast<L: Left>(
        &self,
        arch: Arch,
        left: L,
        right: Right<'_>,
        start: Start<'_>,
        columns: bool,
    ) -> Vec<f32> {
        let [m, _, n] = self.shape;
        let (mut output, placement) = match columns {
            true => (transposed(&self.before, n), Placement::Columns(m)),
            false => (self.before.clone(), Placement::Rows(n)),
        };
        let (shape, output_) = (self.shape, &mut output);
        multiply(
            arch,
            Product {
                left,
                right,
                start,
                shape,
                placement,
                output: output_,
            },
        );
        match columns {
            true => transposed(&output, m),
            false => output,
        }
    }

    /// All ways; each gives the same bits.
    fn check(&self, arch: Arch, start: Start<'_>) -> Vec<u32> {
        let [m, k, n] = self.shape;
        let mut packed = vec![f32::NAN; packed_len(k, n)];
        pack_columns(arch, &transposed(&self.right, n), k, 1.0, &mut packed);
        let left = Rows {
            values: &self.left,
            stride: k,
        };
        let across = transposed(&self.left, k);
        let columns = Columns {
            values: &across,
            start: |k: usize| k * m,
        };
        let starts: Vec<usize> = (0..m).map(|m| m * k).collect();
        let patches = Patches {
            values: &self.left,
            starts: &starts,
            runs: &[0],
            run: k,
        };
        let found = self.fast(arch, left, Right::Packed(&packed), start, false);
        for transposes in [false, true] {
            for right in [Right::Packed(&packed[..]), Right::Rows(&self.right, n)] {
                assert_eq!(self.fast(arch, left, right, start, transposes), found);
                assert_eq!(self.fast(arch, columns, right, start, transposes), found);
                assert_eq!(self.fast(arch, patches, right, start, transposes), found);
            }
        }
        for (found, expected) in found.iter().zip(self.slow(start)) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-6 * (k as f64 + 1.0), "{found} for {expected}");
        }
        found.iter().map(|value| value.to_bits()).collect()
    }
}

#[test]
fn products_are_what_they_are_by_definition_and_alike_everywhere() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shapes = [
        [1, 1, 1],
        [5, 4, 3],
        [6, 16, 16],
        [7, 9, 17],
        [13, 3, 40],
        [32, 64, 64],
        [25, 70, 8],
    ];
    for shape in shapes {
        let case = Case::new(shape, &mut rng);
        let starts = [
            Start::Zero,
            Start::ForColumns(&case.bias),
            Start::ForRows(&case.bias),
            Start::Output,
        ];
        for start in starts {
            let found: Vec<_> = architectures()
                .into_iter()
                .map(|arch| case.check(arch, start))
                .collect();
            // The first is plain instructions, which round twice.
            assert!(
                found[1..].windows(2).all(|pair| pair[0] == pair[1]),
                "{shape:?}"
            );
        }
    }
}

#[test]
fn patches_are_runs_at_distances() {
    let picture: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let left = Patches {
        values: &picture,
        starts: &[0, 3],
        runs: &[0, 10],
        run: 2,
    };
    let mut output = [0.0; 2];
    let product = Product {
        left,
        right: Right::Rows(&[1.0, 100.0, 10_000.0, 1_000_000.0], 1),
        start: Start::Zero,
        shape: [2, 4, 1],
        placement: Placement::Rows(1),
        output: &mut output,
    };
    multiply(Arch::new(), product);
    assert_eq!(output, [11_100_100.0, 14_130_403.0]);
}

#[test]
fn a_row_does_not_depend_on_its_company() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let case = Case::new([37, 50, 23], &mut rng);
    for arch in architectures() {
        let right = Right::Rows(&case.right, 23);
        let all = case.fast(
            arch,
            Rows {
                values: &case.left,
                stride: 50,
            },
            right,
            Start::Zero,
            false,
        );
        for row in 0..37 {
            let mut one = [0.0; 23];
            let left = Rows {
                values: &case.left[row * 50..],
                stride: 50,
            };
            let (shape, placement) = ([1, 50, 23], Placement::Rows(23));
            multiply(
                arch,
                Product {
                    left,
                    right,
                    start: Start::Zero,
                    shape,
                    placement,
                    output: &mut one,
                },
            );
            assert_eq!(one, all[row * 23..][..23]);
        }
    }
}

#[test]
fn columns_are_summed_row_by_row() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for columns in [1, 3, 32, 45, 100] {
        let (rows, mut sums) = (random(9 * columns, &mut rng), vec![1.0; columns]);
        let mut expected = sums.clone();
        rows.chunks(columns)
            .for_each(|row| add_rows(row, &mut expected));
        sum_rows(Arch::new(), &rows, &mut sums);
        assert_eq!(sums, expected);
    }
}
