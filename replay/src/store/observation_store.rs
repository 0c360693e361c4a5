//! Observations, each of their frames stored once.
//!
//! A stack of frames shares all but its newest with the stack before it. So a stack is kept as references to frames, and
//! a step costs one frame: 84×84 bytes for Atari in place of 4·84·84.

use troop_common::experience::ObservationBuffer;
use troop_common::spaces::ObservationSpace;

use super::blocks::BlockRing;
use super::observation_id::ObservationId;
use super::stack::frame_bytes;

/// The newest observations of a worker's environments, byte for byte as they were shown.
///
/// An observation is `S` frames, `S` being the stack. Where its first `S − 1` equal the last `S − 1` of
/// the environment's previous one, only the newest is stored; else, as after a reset, it is
/// stored afresh, neighbours that are equal once. So a store needs to know nothing of resets,
/// and the final observation of a truncated episode is one more observation.
#[derive(Debug)]
pub struct ObservationStore {
    space: ObservationSpace,
    stack: usize,
    frame_len: usize,
    frames: BlockRing,
    /// Frames stored so far; frame `n` is in slot `n mod capacity`.
    stored: u64,
    /// The newest observation that shows each slot's frame.
    shown_by: Vec<u64>,
    /// `[capacity, S]`, the slots of observation `n`'s frames at `n mod capacity`.
    slots: Vec<u32>,
    oldest: u64,
    next: u64,
    newest: Vec<Option<u64>>,
    /// Observations that are further apart share no frames.
    reach: u64,
}

impl ObservationStore {
    /// Room for the newest `capacity` frames of `environments` environments. No memory is taken
    /// before there are frames.
    ///
    /// # Panics
    /// If `stack` does not divide the first axis, or `capacity` holds no whole observation.
    pub fn new(
        space: &ObservationSpace,
        stack: usize,
        environments: usize,
        capacity: usize,
    ) -> Self {
        let frame_len = frame_bytes(space, stack);
        assert!(
            capacity >= stack,
            "{capacity} frames for a stack of {stack}"
        );
        assert!(u32::try_from(capacity).is_ok(), "{capacity} frames");
        Self {
            space: space.clone(),
            stack,
            frame_len,
            frames: BlockRing::new(frame_len, capacity),
            stored: 0,
            shown_by: Vec::with_capacity(capacity),
            slots: Vec::with_capacity(capacity * stack),
            oldest: 0,
            next: 0,
            newest: vec![None; environments],
            reach: u64::MAX,
        }
    }

    /// Observations that are more than `reach` numbers apart share no frames. A frame that makes room takes all with it up to
    /// the newest one that shows it, so where environments take turns slowly, this bounds what else is lost.
    pub(crate) fn share_within(&mut self, reach: usize) {
        self.reach = reach as u64;
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.frames.held_bytes()
            + (self.shown_by.len() * size_of::<u64>() + self.slots.len() * size_of::<u32>()) as u64
    }

    /// Bytes of a store that is full.
    pub fn bytes(space: &ObservationSpace, stack: usize, capacity: usize) -> u64 {
        let references = size_of::<u64>() + stack * size_of::<u32>();
        (capacity as u64) * (frame_bytes(space, stack) + references) as u64
    }

    /// Frames that it keeps.
    pub fn capacity(&self) -> usize {
        self.frames.capacity()
    }

    /// Stores an environment's next observation. The oldest ones make room.
    ///
    /// # Panics
    /// If it has not the space's bytes.
    pub fn push(&mut self, environment: usize, observation: &[u8]) -> ObservationId {
        assert_eq!(
            observation.len(),
            self.stack * self.frame_len,
            "bytes of an observation"
        );
        let slots = match self.shared_slots(environment, observation) {
            Some(mut slots) => {
                slots.push(self.store(&observation[(self.stack - 1) * self.frame_len..]));
                slots
            }
            None => self.store_afresh(observation),
        };
        let id = self.next;
        for slot in &slots {
            self.shown_by[*slot as usize] = id;
        }
        self.refer(id, &slots);
        self.newest[environment] = Some(id);
        self.next += 1;
        ObservationId(id)
    }

    /// The environment's newest observation, if it is this very one: a segment begins with the
    /// observation that the one before it ended with.
    pub fn newest_if(&self, environment: usize, observation: &[u8]) -> Option<ObservationId> {
        let id = ObservationId(self.newest[environment]?);
        let frames = observation.chunks_exact(self.frame_len);
        (self.holds(id) && self.frames_of(id).eq(frames)).then_some(id)
    }

    /// Whether an observation is still there.
    pub fn holds(&self, id: ObservationId) -> bool {
        (self.oldest..self.next).contains(&id.0)
    }

    /// The oldest observation that is still there, and so are all after it; [`Self::next`] where
    /// there is none. It never goes back.
    pub fn oldest(&self) -> ObservationId {
        ObservationId(self.oldest)
    }

    /// The number that the next observation gets.
    pub fn next(&self) -> ObservationId {
        ObservationId(self.next)
    }

    /// Appends an observation with its mask to a buffer of the same space.
    ///
    /// # Panics
    /// If it is gone.
    pub fn copy_to(
        &self,
        id: ObservationId,
        buffer: &mut ObservationBuffer,
        mask: Option<&[bool]>,
    ) {
        assert!(self.holds(id), "{id:?} of {:?}", self.oldest..self.next);
        buffer.extend_pieces(self.frames_of(id), mask);
    }

    /// An empty buffer for `observations` of these observations.
    pub fn buffer(&self, observations: usize) -> ObservationBuffer {
        let mut buffer = ObservationBuffer::new(&self.space);
        buffer.reserve(observations);
        buffer
    }

    /// Frames of an observation.
    pub(crate) fn stack(&self) -> usize {
        self.stack
    }

    /// Bytes of a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_len
    }

    /// Where an observation's frames are, `[S]`. Observations that show the same frame share it.
    ///
    /// # Panics
    /// If it is gone.
    pub(crate) fn slots(&self, id: ObservationId) -> &[u32] {
        assert!(self.holds(id), "{id:?} of {:?}", self.oldest..self.next);
        self.slots_of(id.0)
    }

    /// The frame of a slot.
    pub(crate) fn frame(&self, slot: u32) -> &[u8] {
        self.frames.read(slot as usize)
    }

    fn frames_of(&self, id: ObservationId) -> impl Iterator<Item = &[u8]> {
        self.slots_of(id.0)
            .iter()
            .map(|slot| self.frames.read(*slot as usize))
    }

    fn slots_of(&self, id: u64) -> &[u32] {
        let start = (id % self.capacity() as u64) as usize * self.stack;
        &self.slots[start..start + self.stack]
    }

    /// Slots of the first `S − 1` frames, where they are the last ones of the environment's previous observation.
    fn shared_slots(&self, environment: usize, observation: &[u8]) -> Option<Vec<u32>> {
        let previous = self.newest[environment]
            .filter(|id| self.holds(ObservationId(*id)) && self.next - id <= self.reach)?;
        let shared = &self.slots_of(previous)[1..];
        let next_slot = (self.stored % self.capacity() as u64) as u32;
        let frames = observation.chunks_exact(self.frame_len);
        let equal = shared
            .iter()
            .zip(frames)
            .all(|(slot, frame)| self.frames.read(*slot as usize) == frame);
        (equal && !shared.contains(&next_slot)).then(|| shared.to_vec())
    }

    fn store_afresh(&mut self, observation: &[u8]) -> Vec<u32> {
        let mut slots: Vec<u32> = Vec::with_capacity(self.stack);
        let mut previous: Option<&[u8]> = None;
        for frame in observation.chunks_exact(self.frame_len) {
            let slot = match slots.last() {
                Some(slot) if previous == Some(frame) => *slot,
                _ => self.store(frame),
            };
            slots.push(slot);
            previous = Some(frame);
        }
        slots
    }

    /// Stores a frame over the oldest one; the observations that showed that are gone.
    fn store(&mut self, frame: &[u8]) -> u32 {
        let slot = (self.stored % self.capacity() as u64) as usize;
        match self.shown_by.get(slot) {
            Some(last) => self.oldest = self.oldest.max(last + 1),
            None => self.shown_by.push(self.next),
        }
        self.frames.write(slot, frame);
        self.stored += 1;
        slot as u32
    }

    fn refer(&mut self, id: u64, slots: &[u32]) {
        let capacity = self.capacity() as u64;
        let start = (id % capacity) as usize * self.stack;
        if start == self.slots.len() {
            self.slots.extend_from_slice(slots);
        } else {
            self.slots[start..start + self.stack].copy_from_slice(slots);
        }
        self.oldest = self.oldest.max((id + 1).saturating_sub(capacity));
    }
}

#[cfg(test)]
#[path = "observation_store_tests.rs"]
mod tests;
