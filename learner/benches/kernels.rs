//! The optimisers' kernels alone: one step of each rule, in the cache (10 thousand parameters) and out of it (a million).

#![allow(missing_docs)] // what the macros make

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use troop_common::experiment::{Optimizer, OptimizerSettings};
use troop_common::wire::Elements;
use troop_learner::apply::{Rule, Step, StripedParameters};

const LENGTHS: [usize; 2] = [10_000, 1_000_000];
const RULES: [Optimizer; 5] = [
    Optimizer::Sgd,
    Optimizer::Momentum,
    Optimizer::Rmsprop,
    Optimizer::Adagrad,
    Optimizer::Adam,
];

fn steps(criterion: &mut Criterion) {
    for len in LENGTHS {
        let mut group = criterion.benchmark_group(format!("step of {len} parameters"));
        group.throughput(Throughput::Elements(len as u64));
        let gradient = Elements::from(vec![1e-6; len]);
        for name in RULES {
            let rule = Rule::new(&OptimizerSettings {
                name,
                ..OptimizerSettings::default()
            });
            let parameters = StripedParameters::new(rule, &vec![0.5; len], &[], 1);
            let mut number = 0;
            group.bench_function(
                BenchmarkId::from_parameter(format!("{name:?}")),
                |bencher| {
                    bencher.iter(|| {
                        number += 1;
                        let step = Step {
                            scale: 1.0,
                            rate: 1e-6,
                            number,
                            compensation: None,
                        };
                        parameters.apply(black_box(&gradient), &step);
                    });
                },
            );
        }
    }
}

criterion_group!(kernels, steps);
criterion_main!(kernels);
