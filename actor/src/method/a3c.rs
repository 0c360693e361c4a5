//! Asynchronous advantage actor-critic (Mnih et al. 2016, algorithm S3), over `E` environments at once.
//!
//! Descends, per row,
//!
//! ```text
//! −log π(a_t|s_t; θ) Â_t  +  c_v (R_t − V(s_t; θ))²  −  β H(π(s_t; θ))
//! ```
//!
//! with `Â_t` and `R_t = Â_t + V(s_t)` held constant. With λ = 1 they are the paper's `R − V` and `R`.
//!
//! The backward view hands each `δ_t = r_t + γ V(s_{t+1}) − V(s_t)`, held constant, back along traces of
//! `log π` and `V` that fade by `γλ`, see `traces`. Since `Â_t = Σ_k (γλ)^k δ_{t+k}` its gradient
//! is the same.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::{A3cSettings, View};

use super::actor_critic::ActorCritic;
use super::batch::Batch;
use super::loss::{Loss, constant, reduce};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::policy_behaviour::PolicyBehaviour;
use super::returns::advantages;
use super::setting::Setting;
use super::traces;
use crate::nn::distribution::Likelihood;
use crate::nn::to_vec;

/// What it descends.
#[derive(Debug)]
pub struct A3c {
    settings: A3cSettings,
    actor_critic: Arc<ActorCritic>,
}

impl A3c {
    /// The method's parts.
    ///
    /// # Errors
    /// If the model cannot take the observations.
    pub fn parts(
        settings: &A3cSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let actor_critic = Arc::new(ActorCritic::new(setting)?);
        let behaviour = PolicyBehaviour::new(Arc::clone(&actor_critic));
        let network = Arc::clone(actor_critic.network());
        let settings = settings.clone();
        let objective = Self {
            settings,
            actor_critic,
        };
        Ok(MethodParts::on_policy(
            setting, network, behaviour, objective,
        ))
    }

    /// What is held constant, from values `[B]` of the segment's states.
    fn targets(&self, v_t: &[f32], segment: &Segment, open: &OpenValues) -> Targets {
        let A3cSettings {
            discount,
            gae_lambda,
            normalize_advantages,
            ..
        } = self.settings;
        let estimate = |lambda| {
            let Segment { rewards, ends, .. } = segment;
            advantages(rewards, v_t, ends, open, discount, lambda)
        };
        let mut a_t = estimate(gae_lambda);
        let r_t = a_t.iter().zip(v_t).map(|(a, v)| a + v).collect();
        if normalize_advantages {
            normalize(&mut a_t);
        }
        Targets {
            a_t,
            r_t,
            delta_t: estimate(0.0),
        }
    }

    /// The loss of the policy's statistics and values `[B]` of the segment's states.
    fn descend(
        &self,
        outputs: &[Tensor],
        v_t: &Tensor,
        segment: &Segment,
        targets: &Targets,
    ) -> Loss {
        let Likelihood {
            log_probability,
            entropy,
        } = self
            .actor_critic
            .policy()
            .likelihood(outputs, &segment.actions);
        let policy_loss = -&log_probability * constant(&targets.a_t, v_t.kind());
        let value_loss = (constant(&targets.r_t, v_t.kind()) - v_t).square();
        let A3cSettings {
            value_weight,
            entropy_weight,
            reduction,
            view,
            ..
        } = self.settings;
        let errors = match view {
            View::Forward => &policy_loss + &value_loss * value_weight,
            View::Backward => {
                // ∇(R − V)² = −2 (R − V) ∇V
                let traced = log_probability + v_t * (2.0 * value_weight);
                let decay = f64::from(self.settings.discount * self.settings.gae_lambda);
                let z_t = traces::accumulate(&traced, &segment.ends, segment.environments, decay);
                -z_t * constant(&targets.delta_t, v_t.kind())
            }
        };
        let per_row = errors - &entropy * entropy_weight;
        let mean = |term: Tensor| term.detach().mean(None::<Kind>);
        let terms = vec![
            ("policy", mean(policy_loss)),
            ("value", mean(value_loss)),
            ("entropy", mean(entropy)),
        ];
        Loss::new(reduce(&per_row, reduction), terms)
    }
}

impl Objective for A3c {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let segment = batch.segment()?;
        let at = self.actor_critic.segment(networks.online, segment);
        let open = self
            .actor_critic
            .open_values(networks.online, segment, &at.state);
        let targets = self.targets(&to_vec(&at.v), segment, &open);
        Ok(self.descend(&at.policy, &at.v, segment, &targets))
    }
}

/// What the loss holds constant.
struct Targets {
    /// `Â_t`, `[B]`.
    a_t: Vec<f32>,
    /// `R_t`, `[B]`.
    r_t: Vec<f32>,
    /// `δ_t`, `[B]`.
    delta_t: Vec<f32>,
}

/// Mean 0, standard deviation 1.
fn normalize(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
    values
        .iter_mut()
        .for_each(|v| *v = (*v - mean) / (deviation + 1e-8));
}

#[cfg(test)]
#[path = "a3c_tests.rs"]
mod tests;
