use troop_common::experience::Segment;
use troop_common::spaces::ActionSpace;

use super::action_bytes;
use super::blocks::BlockRing;

/// Actions of steps, and the statistics of the policies that drew them, by slot.
#[derive(Debug)]
pub(crate) struct Details {
    action_len: usize,
    capacity: usize,
    /// Made with the first step, which says how many statistics there are.
    ring: Option<BlockRing>,
}

impl Details {
    /// Those of `capacity` steps.
    pub(crate) fn new(space: &ActionSpace, capacity: usize) -> Self {
        Self {
            action_len: action_bytes::len(space),
            capacity,
            ring: None,
        }
    }

    /// Bytes of one step with `behaviour_len` statistics.
    pub(crate) fn bytes(space: &ActionSpace, behaviour_len: usize) -> usize {
        action_bytes::len(space) + behaviour_len * size_of::<f32>()
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.ring.as_ref().map_or(0, BlockRing::held_bytes)
    }

    /// Fills a slot with those of one row of a segment.
    pub(crate) fn write(&mut self, slot: usize, segment: &Segment, row: usize) {
        let rows = segment.len();
        let len = segment.behaviour.len() / rows;
        let mut bytes = Vec::with_capacity(self.action_len + len * size_of::<f32>());
        action_bytes::write(&segment.actions, row, rows, &mut bytes);
        for number in &segment.behaviour[row * len..(row + 1) * len] {
            bytes.extend(number.to_ne_bytes());
        }
        let empty = || BlockRing::new(bytes.len(), self.capacity);
        self.ring.get_or_insert_with(empty).write(slot, &bytes);
    }

    /// Appends those of a slot to a segment.
    pub(crate) fn append(&self, slot: usize, segment: &mut Segment) {
        if let Some(ring) = &self.ring {
            let (action, behaviour) = ring.read(slot).split_at(self.action_len);
            action_bytes::read(action, &mut segment.actions);
            let numbers = behaviour.as_chunks().0.iter();
            let numbers = numbers.map(|number| f32::from_ne_bytes(*number));
            segment.behaviour.extend(numbers);
        }
    }
}
