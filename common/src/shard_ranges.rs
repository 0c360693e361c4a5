//! Which part of the flat vector each shard of a run holds.

use std::ops::Range;

/// Shards of a run at most: as many as a worker is told of, and the lead.
pub const MOST_SHARDS: usize = 64;

/// Elements that are never parted: 64 bytes of `f32`, a cache line.
const LINE: usize = 16;

/// A vector has fewer lines than there are shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a network of {elements} parameters cannot be spread over {shards} learners: each holds at least {LINE} of them; \
     lower learner.shards to {most} or less"
)]
pub struct TooManyShards {
    /// Elements of the vector.
    pub elements: usize,
    /// Shards that were asked for.
    pub shards: usize,
    /// Shards that it can have.
    pub most: usize,
}

/// The range of each of `shards` in a vector of `elements`, in order: shard k begins with line `⌊k·L/S⌋` of the L lines
/// of 16 elements, the last of which may be shorter. None is empty.
///
/// # Errors
/// If there are fewer lines than shards.
pub fn shard_ranges(elements: usize, shards: usize) -> Result<Vec<Range<usize>>, TooManyShards> {
    let lines = elements.div_ceil(LINE);
    if shards == 0 || shards > lines {
        return Err(TooManyShards {
            elements,
            shards,
            most: lines,
        });
    }
    let start = |shard: usize| (shard * lines / shards * LINE).min(elements);
    Ok((0..shards).map(|k| start(k)..start(k + 1)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_aligned_and_cover_the_vector_once(
            elements in 1_usize..100_000,
            shards in 1_usize..=MOST_SHARDS,
        ) {
            let Ok(ranges) = shard_ranges(elements, shards) else {
                prop_assert!(elements.div_ceil(LINE) < shards);
                return Ok(());
            };
            prop_assert_eq!(ranges.len(), shards);
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges[shards - 1].end, elements);
            prop_assert!(ranges.iter().all(|range| range.start % LINE == 0 && !range.is_empty()));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            let longest = ranges.iter().map(ExactSizeIterator::len).max();
            prop_assert!(longest <= Some(elements / shards + 2 * LINE), "{:?}", ranges);
        }
    }

    #[test]
    fn more_shards_than_lines_are_refused_with_what_to_do() {
        assert_eq!(shard_ranges(33, 3), Ok(vec![0..16, 16..32, 32..33]));
        let refused = shard_ranges(33, 4).unwrap_err().to_string();
        assert!(refused.contains("learner.shards to 3"), "{refused}");
        assert!(shard_ranges(0, 1).is_err());
    }
}
