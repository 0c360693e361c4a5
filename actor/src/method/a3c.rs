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
use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::{A3cSettings, View};

use super::actor_critic::ActorCritic;
use super::batch::Batch;
use super::loss::{Loss, mean, weight};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::policy_behaviour::PolicyBehaviour;
use super::returns::{advantages, normalize};
use super::setting::Setting;
use super::traces;
use crate::nn::distribution::Likelihood;
use crate::nn::{Input, OutputGradients, Outputs};

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

    /// The loss of what the network made of the segment's states.
    fn descend(&self, outputs: &Outputs, segment: &Segment, targets: &Targets) -> Loss {
        let masks = segment.observations.masks();
        let (statistics, v_t) = self.actor_critic.split(outputs, masks);
        let policy = self.actor_critic.policy();
        let likelihoods = policy.likelihoods(statistics, &segment.actions);
        let at = Evaluated {
            likelihoods: &likelihoods,
            v_t,
        };
        let rows = self.rows(&at, segment, targets);
        let mut heads =
            policy.gradients(statistics, &segment.actions, &likelihoods, &rows.of_policy);
        heads.push(rows.of_v);
        let gradients = OutputGradients {
            heads,
            judgements: Vec::new(),
        };
        let loss = Loss::new(rows.total, gradients, at.terms(targets));
        let share = weight(self.settings.reduction, segment.len());
        let critic = &self.actor_critic;
        critic.penalized(loss, statistics, share, None)
    }

    /// The loss and its derivatives, row by row.
    fn rows(&self, at: &Evaluated<'_>, segment: &Segment, targets: &Targets) -> Rows {
        let A3cSettings {
            value_weight,
            entropy_weight,
            reduction,
            view,
            ..
        } = self.settings;
        let share = weight(reduction, segment.len());
        let traced = match view {
            View::Forward => None,
            View::Backward => Some(self.traced(segment, targets)),
        };
        let mut rows = Rows::default();
        for (row, (likelihood, v)) in at.likelihoods.iter().zip(at.v_t).enumerate() {
            let v = f64::from(*v);
            let (policy_error, value_error) = match &traced {
                Some(w_t) => (w_t[row], w_t[row]),
                None => (targets.a_t[row].into(), f64::from(targets.r_t[row]) - v),
            };
            // ∇(R − V)² = −2 (R − V) ∇V
            let of_value = -2.0 * value_weight * value_error;
            let value_loss = match traced {
                Some(_) => of_value * v,
                None => value_weight * value_error * value_error,
            };
            let policy_loss = -policy_error * likelihood.log_probability;
            rows.total += share * (policy_loss + value_loss - entropy_weight * likelihood.entropy);
            rows.of_policy.push(Likelihood {
                log_probability: -share * policy_error,
                entropy: -share * entropy_weight,
            });
            rows.of_v.push((share * of_value) as f32);
        }
        rows
    }

    /// What the backward view hands back to each row of `log π` and `V`, `[B]`.
    fn traced(&self, segment: &Segment, targets: &Targets) -> Vec<f64> {
        let decay = f64::from(self.settings.discount * self.settings.gae_lambda);
        traces::hand_back(&targets.delta_t, &segment.ends, segment.environments, decay)
    }
}

impl Objective for A3c {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let (segment, online) = (batch.segment()?, networks.online);
        online.forward(&Input::segment(segment));
        let open = self.actor_critic.open_values(online, segment);
        let outputs = online.outputs();
        let (_, v_t) = self.actor_critic.split(outputs, &[]);
        let targets = self.targets(v_t, segment, &open);
        Ok(self.descend(outputs, segment, &targets))
    }
}

/// What the network made of `B` states and the actions taken there.
struct Evaluated<'a> {
    likelihoods: &'a [Likelihood],
    /// `V(s_t)`, `[B]`.
    v_t: &'a [f32],
}

impl Evaluated<'_> {
    fn terms(&self, targets: &Targets) -> Vec<(&'static str, f64)> {
        let with = |constants: &[f32], term: &dyn Fn(f64, usize) -> f64| {
            let rows = constants.iter().enumerate();
            mean(rows.map(|(row, constant)| term(f64::from(*constant), row)))
        };
        let policy = |a_t: f64, row: usize| -a_t * self.likelihoods[row].log_probability;
        let value = |r_t: f64, row: usize| (r_t - f64::from(self.v_t[row])).powi(2);
        let entropy = mean(self.likelihoods.iter().map(|at| at.entropy));
        vec![
            ("policy", with(&targets.a_t, &policy)),
            ("value", with(&targets.r_t, &value)),
            ("entropy", entropy),
        ]
    }
}

/// A loss, and its derivatives in each of `B` rows.
#[derive(Default)]
struct Rows {
    total: f64,
    of_policy: Vec<Likelihood>,
    of_v: Vec<f32>,
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

#[cfg(test)]
#[path = "a3c_tests.rs"]
mod tests;
