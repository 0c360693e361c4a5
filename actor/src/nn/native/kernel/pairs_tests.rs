//! Products of pairs against products of the rounded numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Precision;
use troop_common::wire::bf16_bits;

use super::product_tests::{architectures, random};
use super::*;
use crate::nn::native::buffer::Buffer;

fn rounded(values: &[f32]) -> Vec<f32> {
    let round = |value: &f32| f32::from_bits(u32::from(bf16_bits(*value)) << 16);
    values.iter().map(round).collect()
}

/// What a product of `shape` gives, from a start of 0.5 in all columns.
fn product(
    (elements, arch): (Elements, pulp::Arch),
    left: impl left::Left,
    right: Right<'_>,
    [m, numbers, n]: [usize; 3],
) -> Vec<f32> {
    let mut output = vec![f32::NAN; m * n];
    let product = Product {
        left,
        right,
        start: Start::ForColumns(&vec![0.5; n]),
        shape: [m, numbers.div_ceil(elements.numbers()), n],
        placement: Placement::Rows(n),
        output: &mut output,
    };
    elements.multiply(arch, product);
    output
}

/// `A B` of `[M, K]`, which is given across as `[K, M]`, and `[K, N]`: sums over neighbours, and over rows.
fn both(
    precision: Precision,
    arch: pulp::Arch,
    across: &[f32],
    right: &[f32],
    [m, k, n]: [usize; 3],
) -> [Vec<f32>; 2] {
    let elements = Elements::of(precision);
    let on = (elements, arch);
    let mut rooms: [Buffer; 4] = Default::default();
    let [a, b, c, packed] = &mut rooms;
    let by_rows = product(
        on,
        Columns {
            values: elements.rows(arch, across, m, a),
            start: |k: usize| k * m,
        },
        Right::Rows(elements.rows(arch, right, n, b), n),
        [m, k, n],
    );
    let even = k / 2 * 2;
    let mut along = vec![0.0; m * even];
    transpose(&across[..even * m], m, &mut along);
    let from = |column: usize, k: usize| right[k * n + column];
    elements.pack(arch, from, [even, n], packed);
    let by_neighbours = product(
        on,
        Rows {
            values: elements.neighbours(arch, &along, c),
            stride: even / elements.numbers(),
        },
        Right::Packed(packed),
        [m, even, n],
    );
    [by_rows, by_neighbours]
}

#[test]
fn products_of_pairs_are_those_of_the_rounded_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for [m, k, n] in [
        [1, 2, 1],
        [5, 7, 3],
        [13, 16, 16],
        [12, 33, 40],
        [25, 64, 70],
    ] {
        let (across, right) = (random(k * m, &mut rng), random(k * n, &mut rng));
        let near = [&across, &right].map(|values| rounded(values));
        // The first is plain instructions, which round twice.
        for arch in &architectures()[1..] {
            let shape = [m, k, n];
            let found = both(Precision::Bf16, *arch, &across, &right, shape);
            let expected = both(Precision::F32, *arch, &near[0], &near[1], shape);
            assert_eq!(found, expected, "{shape:?}");
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let (across, right) = ([1.0, f32::NAN], [1.0, 0.0]);
    for arch in architectures() {
        let found = both(Precision::Bf16, arch, &across, &right, [1, 2, 1]);
        assert!(found.iter().all(|sums| sums[0].is_nan()), "{found:?}");
        let found = both(
            Precision::Bf16,
            arch,
            &[f32::INFINITY, 1.0],
            &right,
            [1, 2, 1],
        );
        assert!(
            found.iter().all(|sums| sums[0] == f32::INFINITY),
            "{found:?}"
        );
    }
}
