use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};

use super::variant::Variant;
use crate::method::behaviour::{Behaviour, Decision, Purpose};
use crate::nn::{Input, Model};

/// Acts as the policy says, and tells its statistics φ.
#[derive(Debug)]
pub(super) struct AcerBehaviour {
    pub(super) variant: Arc<dyn Variant>,
}

impl Behaviour for AcerBehaviour {
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        let outputs = online.act(&Input::step(shown, state));
        let phi = self.variant.states(outputs, shown.masks()).phi;
        Decision {
            actions: match purpose {
                Purpose::Evaluate { greedy: true } => self.variant.mode(&phi),
                _ => self.variant.sample(&phi, rng),
            },
            behaviour: phi.iter().map(|statistic| *statistic as f32).collect(),
            state: outputs.state.clone(),
        }
    }
}
