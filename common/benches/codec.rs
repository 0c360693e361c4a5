//! The codec alone: vectors into bytes and back, of 10 thousand elements (in the cache) and of a million (not).

#![allow(missing_docs)] // what the macros make

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use troop_common::proto::v1::Encoding;
use troop_common::wire::{Assembly, Place, Rope, element_bytes, encode, encode_into};

const LENGTHS: [usize; 2] = [10_000, 1_000_000];
const ENCODINGS: [Encoding; 2] = [Encoding::F32, Encoding::Bf16];

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32).sin()).collect()
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for len in LENGTHS {
        let values = values(len);
        group.throughput(Throughput::Elements(len as u64));
        for encoding in ENCODINGS {
            let mut bytes = vec![0; len * element_bytes(encoding)];
            let id = BenchmarkId::new(encoding.as_str_name(), len);
            group.bench_function(id, |bencher| {
                bencher.iter(|| encode_into(black_box(&values), encoding, &mut bytes));
            });
        }
    }
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for len in LENGTHS {
        group.throughput(Throughput::Elements(len as u64));
        for encoding in ENCODINGS {
            let chunks = encode(&values(len), encoding);
            let mut vector = vec![0.0; len];
            let id = BenchmarkId::new(encoding.as_str_name(), len);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mut assembly = Assembly::default();
                    for chunk in &chunks {
                        let place = Place {
                            offset_elements: chunk.offset_elements,
                            total_elements: len as u64,
                            encoding: encoding.into(),
                        };
                        let data = Rope::from(chunk.data.clone());
                        let _whole = black_box(assembly.accept(&mut vector, place, data));
                    }
                });
            });
        }
    }
}

criterion_group!(codec, encoding, decoding);
criterion_main!(codec);
