//! A worker's replay memory of multi-step transitions, sampled uniformly or by priority.

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Segment, Transitions};
use troop_common::spaces::ObservationSpace;

use super::n_step::NStep;
use super::selection::{DrawnTransitions, Selection};
use super::transition::Transition;
use super::transition_shape::TransitionShape;
use super::transition_stream::TransitionStream;
use crate::store::{Masks, ObservationId, ObservationStore};
use crate::tables::{Evicted, Noted, Picked, Table, Way};

/// The newest transitions of environments. One is gone as soon as its first observation is, and has that one's number.
#[derive(Debug)]
pub struct TransitionReplay {
    observations: ObservationStore,
    /// Of the observations.
    masks: Masks,
    /// The transition from observation `n` has the number `n`; there is none where no action followed the observation.
    table: Table<Transition>,
    streams: Vec<TransitionStream>,
    /// Version of the weights that acted on each observation, by slot; empty unless asked for.
    versions: Vec<u64>,
    options: TransitionOptions,
    env_steps: u64,
}

/// What only a replay of several workers needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TransitionOptions {
    /// Segments' behaviour is `[Q(s_t, a_t), max_a Q(s_t, a)]`, which gives new transitions their priorities.
    pub(crate) actor_errors: bool,
    /// Versions are kept.
    pub(crate) versions: bool,
}

impl TransitionReplay {
    /// An empty memory for observations of `space`.
    pub fn new(space: &ObservationSpace, shape: &TransitionShape) -> Self {
        let exponent = shape.priority_exponent;
        let way = Way::sampled(shape.capacity, exponent, shape.priority_epsilon);
        let reach = shape.capacity;
        Self::with(space, shape, way, reach, TransitionOptions::default())
    }

    /// An empty memory of several workers, drawn from in one way; a frame is shared by observations that are at most `reach`
    /// numbers apart.
    pub(crate) fn with(
        space: &ObservationSpace,
        shape: &TransitionShape,
        way: Way,
        reach: usize,
        options: TransitionOptions,
    ) -> Self {
        let TransitionShape {
            stack,
            environments,
            capacity,
            ..
        } = *shape;
        let assembler = NStep::new(shape.n_step, shape.discount);
        let stream = TransitionStream::new(assembler, options.actor_errors);
        let mut observations = ObservationStore::new(space, stack, environments, capacity);
        observations.share_within(reach);
        Self {
            observations,
            masks: Masks::default(),
            table: Table::new(capacity, way),
            streams: vec![stream; environments],
            versions: Vec::new(),
            options,
            env_steps: 0,
        }
    }

    /// Bytes of a memory that is full.
    pub fn bytes(space: &ObservationSpace, shape: &TransitionShape) -> u64 {
        let way = Way::sampled(1, shape.priority_exponent, shape.priority_epsilon);
        Self::bytes_without_versions(space, shape, &way)
    }

    /// The same of one that keeps versions, drawn from in one way; without masks.
    pub(crate) fn full_bytes(space: &ObservationSpace, shape: &TransitionShape, way: &Way) -> u64 {
        let stream = TransitionStream::bytes(shape.n_step);
        Self::bytes_without_versions(space, shape, way)
            + (shape.capacity * size_of::<u64>() + shape.environments * stream) as u64
    }

    fn bytes_without_versions(space: &ObservationSpace, shape: &TransitionShape, way: &Way) -> u64 {
        ObservationStore::bytes(space, shape.stack, shape.capacity)
            + Table::<Transition>::bytes(shape.capacity, way)
    }

    /// Transitions that can be sampled.
    pub fn len(&self) -> usize {
        self.table.items().held()
    }

    /// Env steps whose observations are kept.
    pub fn capacity(&self) -> usize {
        self.observations.capacity()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.items().held() == 0
    }

    /// Env steps that were added so far, also those that are gone.
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Remembers a segment, which begins where the last one ended unless episodes were broken off.
    ///
    /// # Panics
    /// If its actions are not discrete.
    pub fn add(&mut self, segment: &Segment) {
        let streams: Vec<usize> = (0..segment.environments).collect();
        self.add_to(&streams, segment);
    }

    /// The same, of the environments that have these numbers, `[E]`. How many transitions are complete with it.
    pub(crate) fn add_to(&mut self, streams: &[usize], segment: &Segment) -> usize {
        let Actions::Discrete(actions) = &segment.actions else {
            panic!("a replay of transitions has discrete actions")
        };
        let environments = segment.environments;
        let first = (&segment.observations, segment.version);
        let mut s_t: Vec<ObservationId> = (0..environments)
            .map(|e| self.resume(streams[e], e, first))
            .collect();
        let mut truncated = 0..segment.truncated_observations.len();
        let mut complete = 0;
        for (i, end) in segment.ends.iter().enumerate() {
            let e = i % environments;
            let stream = streams[e];
            let following = match i + environments < segment.len() {
                true => (&segment.observations, i + environments),
                false => (&segment.bootstrap_observations, e),
            };
            let taken = (s_t[e], actions[i], segment.rewards[i]);
            if self.options.actor_errors {
                complete += self.value(
                    stream,
                    [segment.behaviour[2 * i], segment.behaviour[2 * i + 1]],
                );
            }
            if *end == End::Truncated
                && let Some(last) = truncated.next()
            {
                let observation = (&segment.truncated_observations, last);
                let last = self.push(stream, observation, segment.version);
                complete += self.step(stream, taken, *end, last);
            }
            s_t[e] = self.push(stream, following, segment.version);
            if *end != End::Truncated {
                complete += self.step(stream, taken, *end, s_t[e]);
            }
        }
        for (stream, newest) in streams.iter().zip(s_t) {
            self.streams[*stream].set_current(newest);
        }
        self.env_steps += segment.len() as u64;
        complete
    }

    /// `batch` transitions, drawn with replacement: uniformly, or by priority, one out of each of `batch` equal shares of the
    /// priorities' sum. The weights are `(N·P(i))^−β` over their maximum in the batch (Schaul et al. 2016, §3.4).
    ///
    /// # Panics
    /// If it is empty.
    pub fn draw(&self, batch: usize, beta: f64, rng: &mut ChaCha8Rng) -> Transitions {
        let drawn = self.sample(batch, beta, rng);
        self.selection(drawn).gather()
    }

    /// The same, with the versions that they were acted with, `[B]`; takes note of what was drawn. What was acted with
    /// versions before `oldest` goes. None if too few are left.
    ///
    /// # Panics
    /// If versions are not kept.
    pub(crate) fn take(
        &mut self,
        (batch, beta, oldest): (usize, f64, u64),
        rng: &mut ChaCha8Rng,
    ) -> Option<(DrawnTransitions, Vec<u64>)> {
        let (capacity, versions) = (self.capacity() as u64, &self.versions);
        let version = |number: u64, _| versions[(number % capacity) as usize];
        let picked = self.table.pick_from(oldest, version, (batch, beta), rng)?;
        let drawn = self.drawn(picked);
        let numbers = drawn.transitions.iter().map(|one| one.observation.0);
        let numbers: Vec<u64> = numbers.collect();
        self.table.note_drawn(&numbers);
        let versions = numbers
            .iter()
            .map(|number| self.versions[self.slot(*number)]);
        Some((drawn, versions.collect()))
    }

    /// What was drawn, until something is added.
    pub(crate) fn selection(&self, drawn: DrawnTransitions) -> Selection<'_> {
        Selection::new(&self.observations, &self.masks, drawn)
    }

    /// Whether `batch` transitions can be drawn.
    pub(crate) fn has(&self, batch: usize) -> bool {
        self.table.has(batch)
    }

    /// Takes note of the TD errors of transitions that were drawn. One that is gone stays so, and an
    /// error that is not finite changes nothing.
    pub fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        self.note(keys, td_errors);
    }

    /// The same; what became of them.
    pub(crate) fn note(&mut self, keys: &[u64], td_errors: &[f32]) -> Noted {
        self.table.reprioritise(keys, td_errors)
    }

    /// What made room for others.
    pub(crate) fn evicted(&self) -> Evicted {
        self.table.evicted()
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.observations.held_bytes()
            + self.masks.held_bytes()
            + self.table.held_bytes()
            + size_of_val(&self.versions[..]) as u64
    }

    fn sample(&self, batch: usize, beta: f64, rng: &mut ChaCha8Rng) -> DrawnTransitions {
        assert!(!self.is_empty(), "nothing to sample yet");
        self.drawn(self.table.pick(batch, beta, rng))
    }

    fn drawn(&self, picked: Picked) -> DrawnTransitions {
        let numbers = picked.numbers.iter();
        DrawnTransitions {
            transitions: numbers.filter_map(|n| self.table.items().get(*n)).collect(),
            weights: picked.weights,
        }
    }

    /// The environments were reset: what comes next continues nothing.
    pub fn break_off(&mut self) {
        let streams: Vec<usize> = (0..self.streams.len()).collect();
        self.break_off_at(&streams);
    }

    /// The same, of the environments that have these numbers. How many transitions are complete with it: those that only
    /// waited for the value of what came next.
    pub(crate) fn break_off_at(&mut self, streams: &[usize]) -> usize {
        let mut complete = 0;
        for stream in streams {
            let table = &mut self.table;
            self.streams[*stream].break_off(&mut |one, error| {
                complete += usize::from(table.enter(one.observation.0, one, error));
            });
        }
        complete
    }

    /// The first observation of an environment's segment: the last one of the segment before, unless the
    /// environment was reset meanwhile. It is not compared: where observations are normalised,
    /// newer statistics make it look different.
    fn resume(
        &mut self,
        stream: usize,
        index: usize,
        (first, version): (&ObservationBuffer, u64),
    ) -> ObservationId {
        let current = self.streams[stream].current();
        match current.filter(|id| self.observations.holds(*id)) {
            Some(id) => {
                self.set_version(id, version);
                id
            }
            None => self.push(stream, (first, index), version),
        }
    }

    /// Stores an environment's next observation, which is one of a buffer's.
    fn push(
        &mut self,
        stream: usize,
        (buffer, index): (&ObservationBuffer, usize),
        version: u64,
    ) -> ObservationId {
        let id = self.observations.push(stream, buffer.bytes(index));
        let gone = self.table.items().numbers().start..self.observations.oldest().0;
        gone.for_each(|number| self.table.evict(number));
        let number = self.table.begin();
        let slot = self.slot(number);
        self.masks.set(slot, self.capacity(), buffer.mask(index));
        self.set_version(id, version);
        id
    }

    fn set_version(&mut self, id: ObservationId, version: u64) {
        if self.options.versions {
            let slot = self.slot(id.0);
            if slot == self.versions.len() {
                self.versions.push(version);
            } else {
                self.versions[slot] = version;
            }
        }
    }

    /// What the actor knew when it took the next step of an environment. How many transitions are complete with it.
    fn value(&mut self, stream: usize, values: [f32; 2]) -> usize {
        let mut entered = 0;
        let table = &mut self.table;
        self.streams[stream].value(values, &mut |one, error| {
            entered += usize::from(table.enter(one.observation.0, one, error));
        });
        entered
    }

    /// A step of an environment, `next` being what came after it. How many transitions are complete with it.
    fn step(
        &mut self,
        stream: usize,
        taken: (ObservationId, i64, f32),
        end: End,
        next: ObservationId,
    ) -> usize {
        let mut entered = 0;
        let table = &mut self.table;
        self.streams[stream].step(taken, end, next, &mut |one, error| {
            entered += usize::from(table.enter(one.observation.0, one, error));
        });
        entered
    }

    /// Where what belongs to an observation is kept.
    fn slot(&self, number: u64) -> usize {
        self.table.items().slot(number)
    }
}

#[cfg(test)]
#[path = "transition_replay_tests.rs"]
mod tests;
