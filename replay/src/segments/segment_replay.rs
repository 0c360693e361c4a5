//! A worker's replay memory of whole stretches of experience, with the policies that acted in them.

use std::collections::VecDeque;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;

use super::segment_shape::SegmentShape;
use crate::store::StepStore;

/// The newest steps of a worker's environments. A step is gone as soon as its observation is.
///
/// What it gives back are segments like those that it was given: as many environments, as many
/// steps, from anywhere in what it remembers.
#[derive(Debug)]
pub struct SegmentReplay {
    shape: SegmentShape,
    steps: StepStore,
    /// Numbers of each environment's steps.
    streams: Vec<VecDeque<u64>>,
}

impl SegmentReplay {
    /// An empty memory. It takes what it needs as it fills.
    pub fn new(shape: SegmentShape) -> Self {
        let SegmentShape {
            stack,
            environments,
            capacity,
            ..
        } = shape;
        Self {
            steps: StepStore::new(&shape.spaces, stack, environments, capacity),
            streams: vec![VecDeque::new(); environments],
            shape,
        }
    }

    /// Steps that it remembers.
    pub fn len(&self) -> usize {
        self.streams.iter().map(VecDeque::len).sum()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a segment, which goes on where the last one ended.
    pub fn store(&mut self, segment: &Segment) {
        let environments = self.streams.len();
        let numbers: Vec<usize> = (0..environments).collect();
        let streams = &mut self.streams;
        self.steps.store(&numbers, segment, |_, i, step| {
            streams[i % environments].push_back(step);
        });
        self.forget();
    }

    /// The environments were reset: unfinished episodes are cut off with what was shown last.
    pub fn interrupt(&mut self) {
        (0..self.streams.len()).for_each(|stream| self.steps.cut_off(stream));
    }

    /// A segment whose environments each live through a stretch again that is drawn from all that
    /// are remembered; none while there is no whole one.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Option<Segment> {
        let starts: usize = self.streams.iter().map(|s| self.starts(s)).sum();
        if starts == 0 {
            return None;
        }
        let environments = self.streams.len();
        let drawn: Vec<(&VecDeque<u64>, usize)> = (0..environments)
            .map(|_| self.stretch(rng.random_range(0..starts)))
            .collect::<Option<_>>()?;
        self.again(&drawn)
    }

    /// Stretches of as many environments as one segment.
    fn again(&self, stretches: &[(&VecDeque<u64>, usize)]) -> Option<Segment> {
        let t_max = self.shape.t_max;
        let mut segment = Segment::new(stretches.len(), &self.shape.spaces);
        segment.version = u64::MAX;
        for t in 0..t_max {
            for (stream, start) in stretches {
                self.steps.relive(stream[start + t], &mut segment);
            }
        }
        for (stream, start) in stretches {
            let following = self.steps.next(stream[start + t_max - 1])?;
            self.steps
                .show_again(following, &mut segment.bootstrap_observations);
        }
        Some(segment)
    }

    /// Stretches of `t_max` steps, by where they start.
    fn starts(&self, stream: &VecDeque<u64>) -> usize {
        (stream.len() + 1).saturating_sub(self.shape.t_max)
    }

    /// Number `index` of all stretches.
    fn stretch(&self, mut index: usize) -> Option<(&VecDeque<u64>, usize)> {
        for stream in &self.streams {
            let starts = self.starts(stream);
            if index < starts {
                return Some((stream, index));
            }
            index -= starts;
        }
        None
    }

    /// Drops steps whose observations made room for others.
    fn forget(&mut self) {
        for stream in &mut self.streams {
            while stream.front().is_some_and(|step| !self.steps.holds(*step)) {
                stream.pop_front();
            }
        }
    }
}

#[cfg(test)]
#[path = "segment_replay_tests.rs"]
mod tests;
