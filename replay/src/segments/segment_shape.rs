use troop_common::spaces::{ActionSpace, Spaces};

use crate::store::StepStore;

/// How a [`SegmentReplay`](crate::SegmentReplay) is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentShape {
    /// What the environments show and accept.
    pub spaces: Spaces,
    /// Frames that an observation stacks.
    pub stack: usize,
    /// Environments that fill it, `E`.
    pub environments: usize,
    /// Steps of a segment, `T`.
    pub t_max: usize,
    /// Frames of the observations that are kept: one an env step, see [`ObservationStore`](crate::ObservationStore).
    pub capacity: usize,
}

impl SegmentShape {
    /// Bytes of a memory that is full, of policies with a statistic or two for each choice.
    pub fn bytes(&self) -> u64 {
        let statistics = match &self.spaces.action {
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
                self.spaces.action.choices()
            }
            ActionSpace::Box { low, .. } => 2 * low.len(),
        };
        let numbers = (self.capacity * size_of::<u64>()) as u64;
        StepStore::bytes(&self.spaces, self.stack, statistics, self.capacity) + numbers
    }
}
