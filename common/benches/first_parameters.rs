//! The first parameters of one wide orthogonal matrix: below 2 048 rows by Gram-Schmidt, above by blocks of reflections.

#![allow(missing_docs, clippy::unwrap_used)] // what the macros make; a panic is how a bench fails

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use troop_common::layout::{Initializer, Layout, TensorSpec};

const SIDES: [usize; 4] = [512, 2_048, 2_052, 4_096];

fn drawing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("orthogonal");
    group.sample_size(10);
    for side in SIDES {
        let tensor = TensorSpec {
            name: "w".into(),
            shape: vec![side, side],
            initializer: Initializer::Orthogonal(1.0),
        };
        let layout = Layout::new(vec![tensor]).unwrap();
        group.bench_function(BenchmarkId::from_parameter(side), |bencher| {
            bencher.iter(|| layout.initialize(black_box(1)));
        });
    }
}

criterion_group!(first_parameters, drawing);
criterion_main!(first_parameters);
