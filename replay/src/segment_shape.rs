use troop_common::spaces::Spaces;

use crate::observation_store::ObservationStore;
use crate::stream::STEP_BYTES;

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
    /// Frames of the observations that are kept: one an env step, see [`ObservationStore`].
    pub capacity: usize,
}

impl SegmentShape {
    /// Bytes of a memory that is full.
    pub fn bytes(&self) -> u64 {
        let observations =
            ObservationStore::bytes(&self.spaces.observation, self.stack, self.capacity);
        observations + (self.capacity * STEP_BYTES) as u64
    }
}
