use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};

use super::actor_critic::ActorCritic;
use super::behaviour::{Behaviour, Decision, Purpose};
use crate::nn::{self, Observed, Parameters, to_vec};

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
        online: &Parameters,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let observed = Observed::of(shown);
        let state = nn::state(state);
        let chosen = tch::no_grad(|| self.actor_critic.step(online, &observed, &state));
        let policy = self.actor_critic.policy();
        Decision {
            actions: match purpose {
                Purpose::Evaluate { greedy: true } => policy.mode(&chosen.policy),
                _ => policy.sample(&chosen.policy, rng),
            },
            behaviour: Vec::new(),
            state: to_vec(&chosen.state),
        }
    }
}
