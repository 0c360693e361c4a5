//! A worker's replay memory of whole stretches of experience, with the policies that acted in them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{End, ObservationBuffer, Segment};

use crate::observation_store::ObservationStore;
use crate::segment_shape::SegmentShape;
use crate::stream::{Shown, Step, Stream};

/// The newest steps of a worker's environments. A step is gone as soon as its observation is.
///
/// What it gives back are segments like those that it was given: as many environments, as many
/// steps, from anywhere in what it remembers.
#[derive(Debug)]
pub struct SegmentReplay {
    shape: SegmentShape,
    observations: ObservationStore,
    /// One an environment.
    streams: Vec<Stream>,
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
        let space = &shape.spaces.observation;
        Self {
            observations: ObservationStore::new(space, stack, environments, capacity),
            streams: (0..environments).map(|_| Stream::default()).collect(),
            shape,
        }
    }

    /// Steps that it remembers.
    pub fn len(&self) -> usize {
        self.streams.iter().map(|stream| stream.steps.len()).sum()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a segment, which goes on where the last one ended.
    pub fn store(&mut self, segment: &Segment) {
        let environments = self.streams.len();
        let mut truncated = 0;
        for (i, end) in segment.ends.iter().enumerate() {
            let e = i % environments;
            let shown = if i < environments {
                self.resume(e, &segment.observations)
            } else {
                self.show(e, &segment.observations, i)
            };
            let last = (*end == End::Truncated).then(|| {
                truncated += 1;
                self.show(e, &segment.truncated_observations, truncated - 1)
            });
            self.streams[e].steps.push_back(Step {
                shown,
                action: segment.actions.of_row(i, segment.len()),
                behaviour: row(&segment.behaviour, i, segment.len()).into(),
                reward: segment.rewards[i],
                end: *end,
                last,
                version: segment.version,
            });
        }
        for e in 0..environments {
            self.streams[e].newest = Some(self.show(e, &segment.bootstrap_observations, e));
        }
        self.forget();
    }

    /// The environments were reset: unfinished episodes are cut off with what was shown last.
    pub fn interrupt(&mut self) {
        for stream in &mut self.streams {
            if let Some(step) = stream.steps.back_mut()
                && step.end == End::Continues
            {
                step.end = End::Truncated;
                step.last.clone_from(&stream.newest);
            }
        }
    }

    /// A segment whose environments each live through a stretch again that is drawn from all that
    /// are remembered; none while there is no whole one.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Option<Segment> {
        let t_max = self.shape.t_max;
        let starts: usize = self.streams.iter().map(|s| s.starts(t_max)).sum();
        if starts == 0 {
            return None;
        }
        let environments = self.streams.len();
        let drawn: Vec<(&Stream, usize)> = (0..environments)
            .map(|_| self.stretch(rng.random_range(0..starts)))
            .collect::<Option<_>>()?;
        self.again(&drawn)
    }

    /// Stretches of as many environments as one segment.
    fn again(&self, stretches: &[(&Stream, usize)]) -> Option<Segment> {
        let t_max = self.shape.t_max;
        let mut segment = Segment::new(stretches.len(), &self.shape.spaces);
        segment.version = u64::MAX;
        for t in 0..t_max {
            for (stream, start) in stretches {
                self.relive(&stream.steps[start + t], &mut segment);
            }
        }
        for (stream, start) in stretches {
            let following = stream.shown_at(start + t_max)?;
            self.copy_to(&mut segment.bootstrap_observations, following);
        }
        Some(segment)
    }

    /// Appends a step to a segment.
    fn relive(&self, step: &Step, segment: &mut Segment) {
        self.copy_to(&mut segment.observations, &step.shown);
        if let Some(last) = &step.last {
            self.copy_to(&mut segment.truncated_observations, last);
        }
        segment.actions.extend(&step.action);
        segment.behaviour.extend(&step.behaviour);
        segment.rewards.push(step.reward);
        segment.ends.push(step.end);
        segment.version = segment.version.min(step.version);
    }

    fn copy_to(&self, buffer: &mut ObservationBuffer, shown: &Shown) {
        self.observations
            .copy_to(shown.id, buffer, shown.mask.as_deref());
    }

    /// Number `index` of all stretches.
    fn stretch(&self, mut index: usize) -> Option<(&Stream, usize)> {
        for stream in &self.streams {
            let starts = stream.starts(self.shape.t_max);
            if index < starts {
                return Some((stream, index));
            }
            index -= starts;
        }
        None
    }

    /// The first observation of a segment, which the last one ended with. It may be shown differently
    /// now, where observations are normalised by moments that have moved on.
    fn resume(&mut self, environment: usize, observations: &ObservationBuffer) -> Shown {
        let bytes = observations.bytes(environment);
        let known = self.observations.newest_if(environment, bytes);
        match (known, self.streams[environment].newest.take()) {
            (Some(id), Some(newest)) if id == newest.id => newest,
            _ => self.show(environment, observations, environment),
        }
    }

    fn show(&mut self, environment: usize, from: &ObservationBuffer, index: usize) -> Shown {
        Shown {
            id: self.observations.push(environment, from.bytes(index)),
            mask: from.mask(index).map(Into::into),
        }
    }

    /// Drops steps whose observations made room for others.
    fn forget(&mut self) {
        for stream in &mut self.streams {
            while let Some(oldest) = stream.steps.front()
                && !self.observations.holds(oldest.shown.id)
            {
                stream.steps.pop_front();
            }
        }
    }
}

/// Row `index` of `values` `[rows, …]`.
fn row<T>(values: &[T], index: usize, rows: usize) -> &[T] {
    let len = values.len() / rows;
    &values[index * len..(index + 1) * len]
}

#[cfg(test)]
#[path = "segment_replay_tests.rs"]
mod tests;
