use troop_common::spaces::Spaces;

use super::cutter::Cutter;
use super::oldest_first::OldestFirst;
use super::stretch::Stretch;
use crate::store::StepStore;
use crate::tables::{Table, Way};

/// How a [`StretchReplay`](super::StretchReplay) is laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StretchShape {
    /// What the environments show and accept.
    pub(crate) spaces: Spaces,
    /// Frames that an observation stacks.
    pub(crate) stack: usize,
    /// Environments that there may be at a time.
    pub(crate) environments: usize,
    /// Frames of the observations that are kept.
    pub(crate) capacity: usize,
    /// Steps of a stretch, `L`.
    pub(crate) len: usize,
    /// From the beginning of one to that of the next.
    pub(crate) stride: usize,
    /// Whether episodes may end inside.
    pub(crate) crosses_episodes: bool,
    /// The first steps of a stretch that others have learnt from, unless an episode begins with it.
    pub(crate) burn_in: usize,
    /// Statistics of a step's behaviour, `P`.
    pub(crate) behaviour_len: usize,
    /// Numbers of a recurrent state, `S`.
    pub(crate) state_len: usize,
}

impl StretchShape {
    /// Stretches that there is room for: twice as many as where episodes are long. Where they are shorter than half a
    /// stride, the oldest stretches make room before their steps have to.
    pub(crate) fn items(&self) -> usize {
        let open = self.len.div_ceil(self.stride) + 1;
        2 * self.capacity / self.stride + self.environments * open + 1
    }

    /// Bytes of a replay that is full.
    pub(crate) fn bytes(&self, way: &Way) -> u64 {
        let (items, spaces) = (self.items(), &self.spaces);
        let each = OldestFirst::BYTES + self.state_len * size_of::<f32>();
        StepStore::bytes(spaces, self.stack, self.behaviour_len, self.capacity)
            + Table::<Stretch>::bytes(items, way)
            + (items * each) as u64
            + self.environments as u64 * Cutter::bytes(self.len, self.stride)
    }
}
