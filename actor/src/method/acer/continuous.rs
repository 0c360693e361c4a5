//! Continuous actions: φ is the mean of a Gaussian with a fixed deviation, and the critic is a
//! stochastic duelling network (Wang et al. 2017, eq. 13):
//!
//! ```text
//! Q̃(s, a) = V(s) + A(s, a) − 1/n Σ_j A(s, u_j),   u_j ~ π(·|s)
//! ```
//!
//! `A` sees actions as the environment executes them, clipped to its bounds: what lies beyond is worth what
//! the bound is, and no value is made up for it. Probabilities are of actions as they were drawn.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{AcerSettings, ModelSettings};
use troop_common::spaces::ObservationSpace;

use super::ascent::sampled_correction;
use super::variant::{Judgement, Samples, States, Truncation, Variant};
use crate::method::loss::constant;
use crate::nn::distribution::Family;
use crate::nn::distribution::standard_normal;
use crate::nn::{Head, HeadKind, ModelError, Network, Parameters};
use crate::nn::{Observed, to_vec};
use troop_common::experience::Actions;

/// Heads for the mean and for `V(s)`, and one for `A(s, a)`.
#[derive(Debug)]
pub(super) struct Continuous {
    dimensions: i64,
    /// Bounds of actions, `[D]` each.
    low: Vec<f32>,
    high: Vec<f32>,
    deviation: f64,
    /// n
    duelling_samples: i64,
    network: Arc<Network>,
}

impl Continuous {
    pub(super) fn new(
        settings: &AcerSettings,
        model: &ModelSettings,
        observation: &ObservationSpace,
        (low, high): (&[f32], &[f32]),
    ) -> Result<Self, ModelError> {
        let dimensions = low.len();
        let heads = [
            Head {
                name: "mean",
                outputs: dimensions,
                gain: 0.01,
                kind: HeadKind::Acts,
            },
            Head {
                name: "value",
                outputs: 1,
                gain: 1.0,
                kind: HeadKind::Judges,
            },
        ];
        let network = Network::new(model, observation, &heads)?.with_action_head(
            model,
            "advantage",
            dimensions,
        )?;
        Ok(Self {
            dimensions: dimensions as i64,
            low: low.to_vec(),
            high: high.to_vec(),
            deviation: settings.action_deviation,
            duelling_samples: settings.duelling_samples as i64,
            network: Arc::new(network),
        })
    }

    /// What the environment makes of actions, `[B, M, D]`.
    fn executed(&self, actions: &Tensor) -> Tensor {
        let [low, high] = [&self.low, &self.high].map(|bound| constant(bound, actions.kind()));
        actions.clamp_tensor(Some(low), Some(high))
    }

    /// `count` actions from each row's policy, `[B, M, D]`.
    fn actions_of(&self, phi: &Tensor, count: i64, rng: &mut ChaCha8Rng) -> Tensor {
        let shape = [phi.size()[0], count, self.dimensions];
        let noise: Vec<f32> = (0..shape.iter().product())
            .map(|_| standard_normal(rng))
            .collect();
        let noise = Tensor::from_slice(&noise).view(shape).to_kind(phi.kind());
        phi.detach().unsqueeze(1) + noise * self.deviation
    }
}

impl Variant for Continuous {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn family(&self) -> Family {
        Family::Gaussian {
            deviation: self.deviation,
        }
    }

    fn actions(&self, actions: &Actions, phi: &Tensor) -> Tensor {
        match actions {
            Actions::Continuous(actions) => Tensor::from_slice(actions)
                .view([-1, self.dimensions])
                .to_kind(phi.kind()),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }

    fn sample(&self, phi: &Tensor, rng: &mut ChaCha8Rng) -> Actions {
        Actions::Continuous(to_vec(&self.actions_of(phi, 1, rng)))
    }

    fn mode(&self, phi: &Tensor) -> Actions {
        Actions::Continuous(to_vec(phi))
    }

    fn states(&self, parameters: &Parameters, observed: &Observed) -> States {
        let outputs = self.network.stateless(parameters, &observed.observations);
        let [phi, v] = &outputs.heads[..] else {
            panic!("a mean and a value")
        };
        States {
            phi: phi.shallow_clone(),
            v: v.squeeze_dim(-1),
            critic: outputs.judging_features,
        }
    }

    fn draw(&self, phi: &Tensor, rng: &mut ChaCha8Rng) -> Option<Samples> {
        Some(Samples {
            u: self.actions_of(phi, self.duelling_samples, rng),
            other: self.actions_of(phi, 1, rng).squeeze_dim(1),
        })
    }

    fn judge(
        &self,
        parameters: &Parameters,
        states: &States,
        actions: &Tensor,
        samples: Option<&Samples>,
    ) -> Judgement {
        let Some(Samples { u, other }) = samples else {
            panic!("a stochastic duelling network needs samples")
        };
        let all = Tensor::cat(&[&actions.unsqueeze(1), &other.unsqueeze(1), u], 1);
        let executed = self.executed(&all);
        let advantages = self.network.judge(parameters, &states.critic, &executed);
        let mean = advantages.narrow(1, 2, self.duelling_samples).mean_dim(
            [1_i64].as_slice(),
            false,
            None::<Kind>,
        );
        let q = |index: i64| &states.v + advantages.select(1, index) - &mean;
        Judgement {
            q_t: q(0),
            q_other: q(1).detach(),
        }
    }

    fn trace(&self, rho_t: &Tensor) -> Tensor {
        rho_t
            .pow_tensor_scalar(1.0 / self.dimensions as f64)
            .clamp_max(1.0)
    }

    fn learns_state_values(&self) -> bool {
        true
    }

    fn correction(&self, of: &Truncation<'_>, samples: Option<&Samples>, c: f64) -> Tensor {
        let Some(Samples { other, .. }) = samples else {
            panic!("the correction needs an action of the policy")
        };
        let advantage = of.q_other - of.v;
        sampled_correction(self.family(), of.phi, of.mu, other, &advantage, c)
    }
}
