//! Discrete actions: φ are softmax probabilities, and `V(s) = Σ_a π(a|s) Q(s, a)`.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::ModelSettings;
use troop_common::spaces::ObservationSpace;

use super::ascent::expected_correction;
use super::variant::{Judgement, Samples, States, Truncation, Variant};
use crate::nn::Observed;
use crate::nn::distribution::Family;
use crate::nn::distribution::Policy;
use crate::nn::{Head, HeadKind, ModelError, Network, Parameters};
use troop_common::experience::Actions;

/// Heads for the policy and for `Q(s, ·)`.
#[derive(Debug)]
pub(super) struct Discrete {
    policy: Policy,
    network: Arc<Network>,
}

impl Discrete {
    pub(super) fn new(
        model: &ModelSettings,
        observation: &ObservationSpace,
        actions: usize,
    ) -> Result<Self, ModelError> {
        let policy = Policy::Categorical { actions };
        let mut heads = policy.heads();
        heads.push(Head {
            name: "q",
            outputs: actions,
            gain: 1.0,
            kind: HeadKind::Judges,
        });
        let network = Network::new(model, observation, &heads)?;
        let network = Arc::new(network);
        Ok(Self { policy, network })
    }
}

impl Variant for Discrete {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn family(&self) -> Family {
        Family::Categorical
    }

    fn actions(&self, actions: &Actions, _: &Tensor) -> Tensor {
        match actions {
            Actions::Discrete(actions) => Tensor::from_slice(actions).unsqueeze(-1),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }

    fn sample(&self, phi: &Tensor, rng: &mut ChaCha8Rng) -> Actions {
        self.policy.sample(&[phi.log()], rng)
    }

    fn mode(&self, phi: &Tensor) -> Actions {
        self.policy.mode(&[phi.shallow_clone()])
    }

    fn states(&self, parameters: &Parameters, observed: &Observed) -> States {
        let mut heads = self
            .network
            .stateless(parameters, &observed.observations)
            .heads;
        let q = heads.pop().unwrap_or_default();
        let logits = self.policy.shut(heads, observed.masks.as_ref()).remove(0);
        let phi = logits.softmax(-1, None::<Kind>);
        let v =
            (phi.detach() * q.detach()).sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
        States { phi, v, critic: q }
    }

    fn draw(&self, _: &Tensor, _: &mut ChaCha8Rng) -> Option<Samples> {
        None
    }

    fn judge(
        &self,
        _: &Parameters,
        states: &States,
        actions: &Tensor,
        _: Option<&Samples>,
    ) -> Judgement {
        Judgement {
            q_t: states.critic.gather(-1, actions, false).squeeze_dim(-1),
            q_other: states.critic.detach(),
        }
    }

    fn trace(&self, rho_t: &Tensor) -> Tensor {
        rho_t.clamp_max(1.0)
    }

    fn learns_state_values(&self) -> bool {
        false
    }

    fn correction(&self, of: &Truncation<'_>, _: Option<&Samples>, c: f64) -> Tensor {
        expected_correction(of.phi, of.mu, &(of.q_other - of.v.unsqueeze(-1)), c)
    }
}
