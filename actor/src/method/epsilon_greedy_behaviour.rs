use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use troop_common::experience::{Actions, ObservationBuffer, RecurrentState};

use super::action_values::ActionValues;
use super::behaviour::{Behaviour, Decision, Purpose};
use super::exploration::EpsilonGreedy;
use super::setting::Setting;
use crate::nn::distribution::{argmax, masked};
use crate::nn::{self, Observed, Parameters, to_vec};

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

    /// An action for each row of `q` `[B, A]`.
    pub fn choose(
        &self,
        q: &Tensor,
        observed: &Observed,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Vec<i64> {
        let mut actions = argmax(&masked(q, observed.masks.as_ref()));
        if let Purpose::Explore { frames } = purpose {
            let masks = observed.masks.as_ref().map(|masks| {
                let open = |value: &f32| *value != 0.0;
                to_vec(masks).iter().map(open).collect::<Vec<bool>>()
            });
            let n = self.values.actions();
            self.epsilon
                .mix(&mut actions, n, masks.as_deref(), frames, rng);
        }
        actions
    }
}

impl Behaviour for EpsilonGreedyBehaviour {
    fn act(
        &mut self,
        online: &Parameters,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let observed = Observed::of(shown);
        let state = nn::state(state);
        let (q, state) = tch::no_grad(|| self.values.step(online, &observed.observations, &state));
        Decision {
            actions: Actions::Discrete(self.choose(&q, &observed, purpose, rng)),
            behaviour: Vec::new(),
            state: to_vec(&state),
        }
    }
}
