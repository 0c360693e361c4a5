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
}

impl PolicyBehaviour {
    /// By this policy.
    pub fn new(actor_critic: Arc<ActorCritic>) -> Self {
        Self { actor_critic }
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
        Decision {
            actions: match purpose {
                Purpose::Evaluate { greedy: true } => policy.mode(statistics),
                _ => policy.sample(statistics, rng),
            },
            behaviour: Vec::new(),
            state: outputs.state.clone(),
        }
    }
}
