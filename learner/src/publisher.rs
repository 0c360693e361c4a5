//! What a publish needs: its clocks, buffers to copy into, and when each version was published.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{PublishClock, TargetClock};
use crate::parameters::StripedParameters;

/// Decides when to publish and keeps the buffers that publishes are copied into.
pub(crate) struct Publisher {
    pub(crate) clock: PublishClock,
    pub(crate) target_clock: Option<TargetClock>,
    pub(crate) last_at: Duration,
    /// Times of recent publishes by version, to tell a gradient's age.
    times: VecDeque<(u64, Duration)>,
    spare: Vec<Arc<Vec<f32>>>,
}

/// Publishes whose time is remembered; older gradients get the oldest one's age.
const REMEMBERED_PUBLISHES: usize = 1_024;

impl Publisher {
    pub(crate) fn new(
        clock: PublishClock,
        target_clock: Option<TargetClock>,
        now: Duration,
    ) -> Self {
        Self {
            clock,
            target_clock,
            last_at: now,
            times: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// The parameters in a buffer that nobody reads any more, or in a new one.
    pub(crate) fn copy(&mut self, parameters: &StripedParameters) -> Arc<Vec<f32>> {
        let free = self
            .spare
            .iter()
            .position(|buffer| Arc::strong_count(buffer) == 1);
        let mut buffer = match free {
            Some(index) => self.spare.swap_remove(index),
            None => Arc::new(vec![0.0; parameters.len()]),
        };
        let copy: &mut Vec<f32> = Arc::make_mut(&mut buffer);
        parameters.read(copy);
        self.spare.push(Arc::clone(&buffer));
        // Buffers that slow readers still hold are theirs; they are freed with the last reader.
        let keep = self.spare.len().saturating_sub(4);
        self.spare.drain(..keep);
        buffer
    }

    pub(crate) fn remember(&mut self, version: u64, now: Duration) {
        self.last_at = now;
        self.times.push_back((version, now));
        if self.times.len() > REMEMBERED_PUBLISHES {
            self.times.pop_front();
        }
    }

    /// How long ago `version` was published.
    pub(crate) fn age(&self, version: u64, now: Duration) -> Duration {
        let index = self
            .times
            .partition_point(|(published, _)| *published < version);
        let at = self
            .times
            .get(index)
            .or(self.times.back())
            .map_or(now, |(_, at)| *at);
        now.saturating_sub(at)
    }
}
