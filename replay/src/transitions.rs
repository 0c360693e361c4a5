//! A worker's replay memory of multi-step transitions, sampled uniformly or by priority.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use troop_common::spaces::ObservationSpace;

use super::{NStep, ObservationId, ObservationStore, SumTree, Transition};
use crate::environment::{Actions, End};
use crate::segment::{ObservationBuffer, Segment};

/// How a replay is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayShape {
    /// Frames of the observations that are kept: one an env step, see [`ObservationStore`].
    pub capacity: usize,
    /// Frames that an observation stacks.
    pub stack: usize,
    /// Environments that fill it, `E`.
    pub environments: usize,
    /// Steps of a transition, `n`.
    pub n_step: usize,
    /// Discount γ of a step.
    pub discount: f32,
    /// ω of prioritised sampling; 0 samples uniformly.
    pub priority_exponent: f64,
    /// Added to each absolute TD error before the exponent is taken.
    pub priority_epsilon: f64,
}

/// Transitions to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[B]`.
    pub transitions: Vec<Transition>,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub weights: Vec<f32>,
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
    priorities: Option<Prioritized>,
    env_steps: u64,
}

/// Proportional prioritisation (Schaul et al. 2016, §3.3): `P(i) = p_i / Σ p`, `p_i = (|δ_i| + ε)^ω`. A new
/// transition has the largest priority that there was, so that each is likely to be seen once.
#[derive(Debug)]
struct Prioritized {
    tree: SumTree,
    exponent: f64,
    epsilon: f64,
    largest: f64,
}

impl TransitionReplay {
    /// An empty memory for observations of `space`.
    pub fn new(space: &ObservationSpace, shape: &ReplayShape) -> Self {
        let prioritized = || Prioritized {
            tree: SumTree::new(shape.capacity),
            exponent: shape.priority_exponent,
            epsilon: shape.priority_epsilon,
            largest: 1.0,
        };
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
            priorities: (shape.priority_exponent > 0.0).then(prioritized),
            env_steps: 0,
        }
    }

    /// Bytes of a memory that is full.
    pub fn bytes(space: &ObservationSpace, shape: &ReplayShape) -> u64 {
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
    /// Where its actions are not discrete.
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
    /// Where it is empty.
    pub fn sample(&self, batch: usize, beta: f64, rng: &mut ChaCha8Rng) -> Batch {
        assert!(!self.is_empty(), "nothing to sample yet");
        match &self.priorities {
            None => Batch {
                transitions: (0..batch).map(|_| self.draw_uniformly(rng)).collect(),
                weights: vec![1.0; batch],
            },
            Some(prioritized) => self.draw_by_priority(prioritized, batch, beta, rng),
        }
    }

    /// Takes note of the TD errors of sampled transitions. An error that is not finite changes nothing.
    pub fn update_priorities(&mut self, transitions: &[Transition], td_errors: &[f32]) {
        let Some(prioritized) = &mut self.priorities else {
            return;
        };
        for (transition, error) in transitions.iter().zip(td_errors) {
            let slot = slot(&self.observations, transition.observation);
            if error.is_finite() && self.transitions[slot].as_ref() == Some(transition) {
                let priority = prioritized.priority(f64::from(*error));
                prioritized.tree.set(slot, priority);
                prioritized.largest = prioritized.largest.max(priority);
            }
        }
    }

    /// `s_t` of each transition, `[B, …]`.
    pub fn observations(&self, transitions: &[Transition]) -> Tensor {
        let ids: Vec<ObservationId> = transitions.iter().map(|one| one.observation).collect();
        self.observations.tensor(&ids)
    }

    /// `s_{t+n}` of each transition, `[B, …]`; where the episode terminated, `s_t` stands in for it.
    pub fn next_observations(&self, transitions: &[Transition]) -> Tensor {
        let next = |one: &Transition| one.next.unwrap_or(one.observation);
        let ids: Vec<ObservationId> = transitions.iter().map(next).collect();
        self.observations.tensor(&ids)
    }

    /// Which choices [`Self::next_observations`] leave open, `[B, M]`, where the environment says so.
    pub fn next_masks(&self, transitions: &[Transition]) -> Option<Tensor> {
        let choices = self.masks.len() / self.transitions.len().max(1);
        let mask = |one: &Transition| {
            let id = one.next.unwrap_or(one.observation);
            let start = slot(&self.observations, id) * choices;
            &self.masks[start..start + choices]
        };
        let masks: Vec<bool> = transitions.iter().flat_map(mask).copied().collect();
        (choices > 0).then(|| Tensor::from_slice(&masks).view([transitions.len() as i64, -1]))
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
            if let Some(prioritized) = &mut self.priorities {
                prioritized.tree.set(slot, 0.0);
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
                if let Some(prioritized) = priorities {
                    prioritized.tree.set(slot, prioritized.largest);
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
        Prioritized { tree, .. }: &Prioritized,
        batch: usize,
        beta: f64,
        rng: &mut ChaCha8Rng,
    ) -> Batch {
        let share = tree.total() / batch as f64;
        let mut transitions = Vec::with_capacity(batch);
        let mut weights = Vec::with_capacity(batch);
        for part in 0..batch {
            let slot = tree.find((part as f64 + rng.random::<f64>()) * share);
            let p = tree.get(slot) / tree.total();
            transitions.extend(self.transitions[slot]);
            weights.push((self.complete as f64 * p).powf(-beta));
        }
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Batch {
            transitions,
            weights: weights.iter().map(|w| (w / largest) as f32).collect(),
        }
    }
}

impl Prioritized {
    fn priority(&self, td_error: f64) -> f64 {
        (td_error.abs() + self.epsilon).powf(self.exponent)
    }
}

/// Where the transition from an observation is kept.
fn slot(observations: &ObservationStore, id: ObservationId) -> usize {
    (id.0 % observations.capacity() as u64) as usize
}

#[cfg(test)]
#[path = "transitions_tests.rs"]
mod tests;
