//! The parameter vector of a run of several shards: the same part once for each of them.

use std::ops::Range;

use troop_common::shard_ranges::shard_ranges;

use crate::ledger::{self, Made};

/// Elements that shards' ranges are aligned to.
const LINE: usize = 16;

/// Elements of each part: those of one learner's vector, and some that nothing moves.
pub(super) fn part_elements(workers: usize) -> usize {
    ledger::elements(workers).next_multiple_of(LINE)
}

/// Elements of the whole vector.
pub(super) fn elements(workers: usize, shards: usize) -> usize {
    part_elements(workers) * shards
}

/// Where each shard's part is.
pub(super) fn ranges(workers: usize, shards: usize) -> Vec<Range<usize>> {
    let ranges = shard_ranges(elements(workers, shards), shards).unwrap();
    let part = part_elements(workers);
    assert!(ranges.iter().all(|range| range.len() == part), "{ranges:?}");
    ranges
}

/// The gradient, with the same part for each shard.
pub(super) fn gradient(made: Made, workers: usize, shards: usize) -> Vec<f32> {
    let mut part = ledger::gradient(made, workers);
    part.resize(part_elements(workers), 0.0);
    part.repeat(shards)
}

/// How many updates a part's own elements say were applied: a round's gradients make one together.
pub(super) fn applied(part: &[f32], workers: usize) -> u64 {
    let own = &part[..ledger::elements(workers) - 1];
    (-own.iter().sum::<f32>()).round() as u64
}
