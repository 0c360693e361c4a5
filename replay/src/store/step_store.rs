//! Steps of environments, each with its observation, and what came next.

use troop_common::experience::{End, ObservationBuffer, Segment};
use troop_common::spaces::Spaces;

use super::details::Details;
use super::masks::Masks;
use super::observation_id::ObservationId;
use super::observation_store::ObservationStore;
use super::step::{Cursor, NONE, Step};

/// The newest steps of environments. A step has the number of the observation that it was taken at, and is gone as soon as
/// that is.
#[derive(Debug)]
pub(crate) struct StepStore {
    observations: ObservationStore,
    masks: Masks,
    /// By slot; nothing that counts where no action followed the observation.
    steps: Vec<Step>,
    details: Details,
    cursors: Vec<Cursor>,
}

impl StepStore {
    /// For the newest `capacity` frames of `environments` environments, see [`ObservationStore`].
    pub(crate) fn new(spaces: &Spaces, stack: usize, environments: usize, capacity: usize) -> Self {
        let space = &spaces.observation;
        Self {
            observations: ObservationStore::new(space, stack, environments, capacity),
            masks: Masks::default(),
            steps: Vec::with_capacity(capacity),
            details: Details::new(&spaces.action, capacity),
            cursors: vec![Cursor::default(); environments],
        }
    }

    /// Bytes of a store that is full; `behaviour_len` are the statistics of a step.
    pub(crate) fn bytes(
        spaces: &Spaces,
        stack: usize,
        behaviour_len: usize,
        capacity: usize,
    ) -> u64 {
        let details = Details::bytes(&spaces.action, behaviour_len);
        ObservationStore::bytes(&spaces.observation, stack, capacity)
            + Masks::bytes(spaces.action.choices(), capacity)
            + (capacity * (size_of::<Step>() + details)) as u64
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.observations.held_bytes()
            + self.masks.held_bytes()
            + size_of_val(&self.steps[..]) as u64
            + self.details.held_bytes()
    }

    /// See [`ObservationStore::share_within`].
    pub(crate) fn share_within(&mut self, reach: usize) {
        self.observations.share_within(reach);
    }

    /// Steps before this number are gone.
    pub(crate) fn oldest(&self) -> u64 {
        self.observations.oldest().0
    }

    /// Whether a step is still there.
    pub(crate) fn holds(&self, step: u64) -> bool {
        self.observations.holds(ObservationId(step))
    }

    /// Stores a segment of the environments that have these numbers, `[E]`; it goes on where their last one ended. `each` is
    /// told of the number of each step, in the segment's order.
    pub(crate) fn store(
        &mut self,
        streams: &[usize],
        segment: &Segment,
        mut each: impl FnMut(&Self, usize, u64),
    ) {
        let environments = streams.len();
        let mut truncated = 0;
        for (i, end) in segment.ends.iter().enumerate() {
            let stream = streams[i % environments];
            let shown = if i < environments {
                self.resume(stream, &segment.observations, i)
            } else {
                self.show(stream, &segment.observations, i)
            };
            self.link(stream, shown);
            let last = (*end == End::Truncated).then(|| {
                truncated += 1;
                self.show(stream, &segment.truncated_observations, truncated - 1)
            });
            let slot = self.slot(shown);
            self.steps[slot] = Step {
                next: NONE,
                last: last.unwrap_or(NONE),
                version: segment.version,
                reward: segment.rewards[i],
                end: *end,
            };
            self.details.write(slot, segment, i);
            self.cursors[stream].step = Some(shown);
            each(self, i, shown);
        }
        for (e, stream) in streams.iter().enumerate() {
            let newest = self.show(*stream, &segment.bootstrap_observations, e);
            self.link(*stream, newest);
            self.cursors[*stream].newest = Some(newest);
        }
    }

    /// What was shown after a step.
    pub(crate) fn next(&self, step: u64) -> Option<u64> {
        let next = self.steps[self.slot(step)].next;
        (next != NONE).then_some(next)
    }

    /// Version of the weights that acted in a step.
    pub(crate) fn version(&self, step: u64) -> u64 {
        self.steps[self.slot(step)].version
    }

    /// How a step ended.
    pub(crate) fn end(&self, step: u64) -> End {
        self.steps[self.slot(step)].end
    }

    /// The environment was reset: its unfinished episode is cut off with what was shown last.
    pub(crate) fn cut_off(&mut self, stream: usize) {
        let Cursor { newest, step } = self.cursors[stream];
        if let (Some(newest), Some(step)) = (newest, step)
            && self.holds(step)
            && self.end(step) == End::Continues
        {
            let slot = self.slot(step);
            self.steps[slot].end = End::Truncated;
            self.steps[slot].last = newest;
        }
    }

    /// What comes next continues nothing.
    pub(crate) fn forget_newest(&mut self, stream: usize) {
        self.cursors[stream] = Cursor::default();
    }

    /// Appends a step to a segment. `version` becomes that of the oldest weights.
    pub(crate) fn relive(&self, number: u64, segment: &mut Segment) {
        let slot = self.slot(number);
        let step = self.steps[slot];
        self.show_again(number, &mut segment.observations);
        if step.last != NONE {
            self.show_again(step.last, &mut segment.truncated_observations);
        }
        self.details.append(slot, segment);
        segment.rewards.push(step.reward);
        segment.ends.push(step.end);
        segment.version = segment.version.min(step.version);
    }

    /// Appends what looks like a step to a segment, but nothing comes of it.
    pub(crate) fn pad(&self, number: u64, segment: &mut Segment) {
        self.show_again(number, &mut segment.observations);
        self.details.append(self.slot(number), segment);
        segment.rewards.push(0.0);
        segment.ends.push(End::Terminated);
    }

    /// Appends an observation to a buffer, with its mask.
    pub(crate) fn show_again(&self, number: u64, buffer: &mut ObservationBuffer) {
        let mask = self.masks.get(self.slot(number));
        self.observations
            .copy_to(ObservationId(number), buffer, mask);
    }

    /// The first observation of a segment, which the last one ended with. It may be shown differently
    /// now, where observations are normalised by moments that have moved on.
    fn resume(&mut self, stream: usize, observations: &ObservationBuffer, index: usize) -> u64 {
        let bytes = observations.bytes(index);
        let known = self.observations.newest_if(stream, bytes);
        match (known, self.cursors[stream].newest.take()) {
            (Some(id), Some(newest)) if id.0 == newest => newest,
            _ => self.show(stream, observations, index),
        }
    }

    fn show(&mut self, stream: usize, from: &ObservationBuffer, index: usize) -> u64 {
        let number = self.observations.push(stream, from.bytes(index)).0;
        let slot = self.slot(number);
        let capacity = self.observations.capacity();
        self.masks.set(slot, capacity, from.mask(index));
        if slot == self.steps.len() {
            self.steps.push(Step::NOTHING);
        }
        number
    }

    /// The environment's last step, if it is still there, was followed by an observation.
    fn link(&mut self, stream: usize, following: u64) {
        if let Some(step) = self.cursors[stream].step.filter(|step| self.holds(*step)) {
            let slot = self.slot(step);
            self.steps[slot].next = following;
        }
    }

    fn slot(&self, number: u64) -> usize {
        (number % self.observations.capacity() as u64) as usize
    }
}
