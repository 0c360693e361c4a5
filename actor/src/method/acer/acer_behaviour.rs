use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};

use super::variant::Variant;
use crate::method::behaviour::{Behaviour, Decision, Purpose};
use crate::nn::{Observed, Parameters, to_vec};

/// Acts as the policy says, and tells its statistics φ.
#[derive(Debug)]
pub(super) struct AcerBehaviour {
    pub(super) variant: Arc<dyn Variant>,
}

impl Behaviour for AcerBehaviour {
    fn act(
        &mut self,
        online: &Parameters,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let observed = Observed::of(shown);
        let phi = tch::no_grad(|| self.variant.states(online, &observed).phi);
        Decision {
            actions: match purpose {
                Purpose::Evaluate { greedy: true } => self.variant.mode(&phi),
                _ => self.variant.sample(&phi, rng),
            },
            behaviour: to_vec(&phi),
            state: state.values().to_vec(),
        }
    }
}
