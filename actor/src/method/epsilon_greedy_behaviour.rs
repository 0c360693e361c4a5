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
        Self { values, epsilon }
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
        Decision {
            actions: Actions::Discrete(self.choose(outputs, shown.masks(), purpose, rng)),
            behaviour: Vec::new(),
            state: outputs.state.clone(),
        }
    }
}
