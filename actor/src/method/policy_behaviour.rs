use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};

use super::actor_critic::ActorCritic;
use super::behaviour::{Behaviour, Decision, Purpose};
use crate::nn::{Input, Model};

/// Acts as an [`ActorCritic`]'s policy says.
#[derive(Debug)]
pub struct PolicyBehaviour {
    actor_critic: Arc<ActorCritic>,
    tells_statistics: bool,
}

impl PolicyBehaviour {
    /// By this policy.
    pub fn new(actor_critic: Arc<ActorCritic>) -> Self {
        Self {
            actor_critic,
            tells_statistics: false,
        }
    }

    /// The same, for methods that learn from what another policy did: each decision has the
    /// [statistics](crate::nn::distribution::Policy::joined) of its distribution.
    pub fn with_statistics(actor_critic: Arc<ActorCritic>) -> Self {
        Self {
            actor_critic,
            tells_statistics: true,
        }
    }
}

impl Behaviour for PolicyBehaviour {
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let outputs = online.act(&Input::step(shown, state));
        let (statistics, _) = self.actor_critic.split(outputs, shown.masks());
        let policy = self.actor_critic.policy();
        let told = self.tells_statistics.then(|| policy.joined(statistics));
        Decision {
            actions: match purpose {
                Purpose::Evaluate { greedy: true } => policy.mode(statistics),
                _ => policy.sample(statistics, rng),
            },
            behaviour: told.unwrap_or_default(),
            state: outputs.state.clone(),
        }
    }
}
