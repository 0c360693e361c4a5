use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, ObservationBuffer, RecurrentState};

use super::action_values::ActionValues;
use super::behaviour::{Behaviour, Decision, Purpose};
use super::exploration::EpsilonGreedy;
use super::setting::Setting;
use crate::nn::distribution::{best, mask_of};
use crate::nn::{Input, Model, Outputs};

/// Acts by action values, ε-greedily if it is to learn.
#[derive(Debug)]
pub struct EpsilonGreedyBehaviour {
    values: Arc<ActionValues>,
    epsilon: EpsilonGreedy,
    tells_values: bool,
}

impl EpsilonGreedyBehaviour {
    /// With the ε of the setting's worker.
    pub fn new(values: Arc<ActionValues>, setting: &mut Setting<'_>) -> Self {
        let experiment = setting.experiment;
        let epsilon = EpsilonGreedy::of_worker(
            &experiment.exploration,
            experiment.actor.workers,
            setting.worker_index,
            setting.rng,
        );
        Self {
            values,
            epsilon,
            tells_values: false,
        }
    }

    /// The same, if `tells_values` with what it knows of each decision: `Q(s, a)` of the action that it took and the
    /// largest `Q(s, ·)`.
    pub fn telling_values(self, tells_values: bool) -> Self {
        Self {
            tells_values,
            ..self
        }
    }

    /// `Q(s, a)` and `max_a Q(s, a)` of each row, `[B, 2]`.
    fn told(&self, outputs: &Outputs, masks: &[bool], actions: &[i64]) -> Vec<f32> {
        let taken = self.values.taken(outputs, actions);
        let largest = self.values.largest(outputs, masks);
        let pairs = taken.into_iter().zip(largest);
        pairs.flat_map(|(q, largest)| [q, largest]).collect()
    }

    /// An action for each row of what the network made of states, with masks `[B, A]` or none.
    pub fn choose(
        &self,
        outputs: &Outputs,
        masks: &[bool],
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Vec<i64> {
        let (q, n) = (self.values.of(outputs), self.values.actions());
        let rows = q.chunks_exact(n);
        let count = rows.len();
        let greedy = |(row, q)| best(q, mask_of(masks, row, count)) as i64;
        let mut actions: Vec<i64> = rows.enumerate().map(greedy).collect();
        if let Purpose::Explore { frames } = purpose {
            let masks = (!masks.is_empty()).then_some(masks);
            self.epsilon.mix(&mut actions, n, masks, frames, rng);
        }
        actions
    }
}

impl Behaviour for EpsilonGreedyBehaviour {
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let outputs = online.act(&Input::step(shown, state));
        let actions = self.choose(outputs, shown.masks(), purpose, rng);
        Decision {
            behaviour: match self.tells_values {
                true => self.told(outputs, shown.masks(), &actions),
                false => Vec::new(),
            },
            actions: Actions::Discrete(actions),
            state: outputs.state.clone(),
        }
    }
}
