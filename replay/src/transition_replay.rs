//! A worker's replay memory of multi-step transitions, sampled uniformly or by priority.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Segment, Transitions};
use troop_common::spaces::ObservationSpace;

use crate::n_step::NStep;
use crate::observation_id::ObservationId;
use crate::observation_store::ObservationStore;
use crate::priorities::Priorities;
use crate::sum_tree::SumTree;
use crate::transition::Transition;
use crate::transition_shape::TransitionShape;

/// What was drawn.
struct Drawn {
    /// `[B]`.
    transitions: Vec<Transition>,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    weights: Vec<f32>,
}

/// The newest transitions of a worker's environments. One is gone as soon as its first observation is.
#[derive(Debug)]
pub struct TransitionReplay {
    observations: ObservationStore,
    /// The transition from observation `n` at `n mod capacity`, absent where it is not complete
    /// or no action followed the observation.
    transitions: Vec<Option<Transition>>,
    /// Which choices observation `n` leaves open, at `n mod capacity`; empty where all always are.
    masks: Vec<bool>,
    complete: usize,
    /// Observations before this one have no transition any more.
    first: u64,
    assemblers: Vec<NStep>,
    /// What each environment showed last; absent where what comes next continues nothing.
    current: Vec<Option<ObservationId>>,
    priorities: Option<Priorities>,
    env_steps: u64,
}

impl TransitionReplay {
    /// An empty memory for observations of `space`.
    pub fn new(space: &ObservationSpace, shape: &TransitionShape) -> Self {
        let assembler = NStep::new(shape.n_step, shape.discount);
        Self {
            observations: ObservationStore::new(
                space,
                shape.stack,
                shape.environments,
                shape.capacity,
            ),
            transitions: Vec::with_capacity(shape.capacity),
            masks: Vec::new(),
            complete: 0,
            first: 0,
            assemblers: vec![assembler; shape.environments],
            current: vec![None; shape.environments],
            priorities: (shape.priority_exponent > 0.0).then(|| Priorities::new(shape)),
            env_steps: 0,
        }
    }

    /// Bytes of a memory that is full.
    pub fn bytes(space: &ObservationSpace, shape: &TransitionShape) -> u64 {
        let entries = (shape.capacity * size_of::<Option<Transition>>()) as u64;
        let tree = match shape.priority_exponent > 0.0 {
            true => SumTree::bytes(shape.capacity),
            false => 0,
        };
        ObservationStore::bytes(space, shape.stack, shape.capacity) + entries + tree
    }

    /// Transitions that can be sampled.
    pub fn len(&self) -> usize {
        self.complete
    }

    /// Env steps whose observations are kept.
    pub fn capacity(&self) -> usize {
        self.observations.capacity()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.complete == 0
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
        let Actions::Discrete(actions) = &segment.actions else {
            panic!("a replay of transitions has discrete actions")
        };
        let environments = segment.environments;
        let mut s_t: Vec<ObservationId> = (0..environments)
            .map(|e| self.resume(e, &segment.observations))
            .collect();
        let mut truncated = 0..segment.truncated_observations.len();
        for (i, end) in segment.ends.iter().enumerate() {
            let e = i % environments;
            let following = match i + environments < segment.len() {
                true => (&segment.observations, i + environments),
                false => (&segment.bootstrap_observations, e),
            };
            let taken = (s_t[e], actions[i], segment.rewards[i]);
            if *end == End::Truncated
                && let Some(last) = truncated.next()
            {
                let last = self.push(e, (&segment.truncated_observations, last));
                self.step(e, taken, *end, last);
            }
            s_t[e] = self.push(e, following);
            if *end != End::Truncated {
                self.step(e, taken, *end, s_t[e]);
            }
        }
        self.current = s_t.into_iter().map(Some).collect();
        self.env_steps += segment.len() as u64;
    }

    /// `batch` transitions, drawn with replacement: uniformly, or by priority, one out of each of `batch` equal shares of the
    /// priorities' sum. The weights are `(N·P(i))^−β` over their maximum in the batch (Schaul et al. 2016, §3.4).
    ///
    /// # Panics
    /// If it is empty.
    pub fn draw(&self, batch: usize, beta: f64, rng: &mut ChaCha8Rng) -> Transitions {
        let drawn = self.sample(batch, beta, rng);
        self.gather(&drawn.transitions, drawn.weights)
    }

    /// Takes note of the TD errors of transitions that were drawn. One that is gone stays so, and an
    /// error that is not finite changes nothing.
    pub fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        let Some(priorities) = &mut self.priorities else {
            return;
        };
        for (key, error) in keys.iter().zip(td_errors) {
            let id = ObservationId(*key);
            let slot = slot(&self.observations, id);
            let held = self.transitions[slot].is_some_and(|one| one.observation == id);
            if held && error.is_finite() {
                priorities.note(slot, f64::from(*error));
            }
        }
    }

    fn sample(&self, batch: usize, beta: f64, rng: &mut ChaCha8Rng) -> Drawn {
        assert!(!self.is_empty(), "nothing to sample yet");
        match &self.priorities {
            None => Drawn {
                transitions: (0..batch).map(|_| self.draw_uniformly(rng)).collect(),
                weights: vec![1.0; batch],
            },
            Some(priorities) => self.draw_by_priority(priorities, batch, beta, rng),
        }
    }

    /// All that there is to know of transitions.
    fn gather(&self, transitions: &[Transition], weights: Vec<f32>) -> Transitions {
        let mut observations = self.observations.buffer(transitions.len());
        let mut next_observations = self.observations.buffer(transitions.len());
        for one in transitions {
            let next = one.next.unwrap_or(one.observation);
            self.observations
                .copy_to(one.observation, &mut observations, None);
            self.observations
                .copy_to(next, &mut next_observations, self.mask(next));
        }
        Transitions {
            keys: transitions.iter().map(|one| one.observation.0).collect(),
            observations,
            actions: transitions.iter().map(|one| one.action).collect(),
            rewards: transitions.iter().map(|one| one.reward).collect(),
            discounts: transitions.iter().map(|one| one.discount).collect(),
            next_observations,
            weights,
        }
    }

    /// Which choices an observation leaves open, if the environment says so.
    fn mask(&self, id: ObservationId) -> Option<&[bool]> {
        let choices = self.masks.len() / self.transitions.len().max(1);
        let start = slot(&self.observations, id) * choices;
        (choices > 0).then(|| &self.masks[start..start + choices])
    }

    /// The environments were reset: what comes next continues nothing.
    pub fn break_off(&mut self) {
        self.assemblers.iter_mut().for_each(NStep::break_off);
        self.current.fill(None);
    }

    /// The first observation of an environment's segment: the last one of the segment before, unless the
    /// environment was reset meanwhile. It is not compared: where observations are normalised,
    /// newer statistics make it look different.
    fn resume(&mut self, environment: usize, first: &ObservationBuffer) -> ObservationId {
        match self.current[environment].filter(|id| self.observations.holds(*id)) {
            Some(id) => id,
            None => self.push(environment, (first, environment)),
        }
    }

    /// Stores an environment's next observation, which is one of a buffer's.
    fn push(
        &mut self,
        environment: usize,
        (buffer, index): (&ObservationBuffer, usize),
    ) -> ObservationId {
        let id = self.observations.push(environment, buffer.bytes(index));
        for gone in self.first..self.observations.oldest().0 {
            self.forget(ObservationId(gone));
        }
        self.first = self.observations.oldest().0;
        let slot = slot(&self.observations, id);
        if slot == self.transitions.len() {
            self.transitions.push(None);
        }
        if let Some(mask) = buffer.mask(index) {
            let start = slot * mask.len();
            if start == self.masks.len() {
                self.masks.extend_from_slice(mask);
            } else {
                self.masks[start..start + mask.len()].copy_from_slice(mask);
            }
        }
        id
    }

    fn forget(&mut self, id: ObservationId) {
        let slot = slot(&self.observations, id);
        if self.transitions[slot].take().is_some() {
            self.complete -= 1;
            if let Some(priorities) = &mut self.priorities {
                priorities.leave(slot);
            }
        }
    }

    fn step(
        &mut self,
        environment: usize,
        taken: (ObservationId, i64, f32),
        end: End,
        next: ObservationId,
    ) {
        let (observations, transitions) = (&self.observations, &mut self.transitions);
        let (complete, priorities) = (&mut self.complete, &mut self.priorities);
        self.assemblers[environment].step(taken, end, next, |transition| {
            if observations.holds(transition.observation) {
                let slot = slot(observations, transition.observation);
                transitions[slot] = Some(transition);
                *complete += 1;
                if let Some(priorities) = priorities {
                    priorities.enter(slot);
                }
            }
        });
    }

    /// Nearly every observation that is held has a transition, so this rarely draws twice.
    fn draw_uniformly(&self, rng: &mut ChaCha8Rng) -> Transition {
        loop {
            let id = rng.random_range(self.first..self.observations.next().0);
            if let Some(transition) = self.transitions[slot(&self.observations, ObservationId(id))]
            {
                return transition;
            }
        }
    }

    fn draw_by_priority(
        &self,
        priorities: &Priorities,
        batch: usize,
        beta: f64,
        rng: &mut ChaCha8Rng,
    ) -> Drawn {
        let mut transitions = Vec::with_capacity(batch);
        let mut weights = Vec::with_capacity(batch);
        for part in 0..batch {
            let (slot, p) = priorities.draw(part, batch, rng);
            transitions.extend(self.transitions[slot]);
            weights.push((self.complete as f64 * p).powf(-beta));
        }
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Drawn {
            transitions,
            weights: weights.iter().map(|w| (w / largest) as f32).collect(),
        }
    }
}

/// If the transition from an observation is kept.
fn slot(observations: &ObservationStore, id: ObservationId) -> usize {
    (id.0 % observations.capacity() as u64) as usize
}

#[cfg(test)]
#[path = "transition_replay_tests.rs"]
mod tests;
