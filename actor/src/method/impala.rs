//! Importance-weighted actor-critic with V-trace (Espeholt et al. 2018, §4), over `E` environments at once.
//!
//! The segment may have been lived through by another policy μ, that of older weights: its statistics are in
//! the segment. Descends, per row,
//!
//! ```text
//! −ρ_t log π(a_t|s_t; θ) (r_t + γ v_{t+1} − V(s_t))  +  c_v ½ (v_t − V(s_t; θ))²  −  β H(π(s_t; θ))
//! ```
//!
//! with V-trace's targets `v_t`, see `vtrace`, and
//!
//! ```text
//! ρ_t = min(ρ̄, π(a_t|s_t)/μ(a_t|s_t))      c_t = λ min(c̄, π(a_t|s_t)/μ(a_t|s_t))
//! ```
//!
//! `ρ_t`, `v_t` and the advantage are held constant. On-policy with λ = 1 and ρ̄, c̄ ≥ 1 it is the n-step
//! actor-critic: `a3c`, if that weighs the value's error half as much.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::ImpalaSettings;

use super::actor_critic::ActorCritic;
use super::batch::Batch;
use super::loss::{Loss, mean, weight};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::policy_behaviour::PolicyBehaviour;
use super::setting::Setting;
use super::shared_experience::SharedExperience;
use super::vtrace::vtrace;
use crate::nn::distribution::{Likelihood, Statistics};
use crate::nn::{Input, OutputGradients, Outputs};

/// What it descends.
#[derive(Debug)]
pub struct Impala {
    settings: ImpalaSettings,
    actor_critic: Arc<ActorCritic>,
}

impl Impala {
    /// The method's parts.
    ///
    /// # Errors
    /// If the model cannot take the observations.
    pub fn parts(
        settings: &ImpalaSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let actor_critic = Arc::new(ActorCritic::new(setting)?);
        let behaviour = PolicyBehaviour::with_statistics(Arc::clone(&actor_critic));
        let network = Arc::clone(actor_critic.network());
        let shared = SharedExperience::of_unrolls(setting, &actor_critic, settings.batch_size);
        let objective = Self {
            settings: settings.clone(),
            actor_critic,
        };
        Ok(MethodParts {
            shared: Some(shared),
            ..MethodParts::on_policy(setting, network, behaviour, objective)
        })
    }

    /// What the outputs say of the segment's states and actions.
    fn evaluate<'a>(&self, outputs: &'a Outputs, segment: &'a Segment) -> Evaluated<'a> {
        let masks = segment.observations.masks();
        let (statistics, v_t) = self.actor_critic.split(outputs, masks);
        let policy = self.actor_critic.policy();
        Evaluated {
            likelihoods: policy.likelihoods(statistics, &segment.actions),
            statistics,
            v_t,
        }
    }

    /// `π(a_t|s_t)/μ(a_t|s_t)`, `[B]`.
    fn ratios(&self, of: &Evaluated<'_>, segment: &Segment) -> Result<Vec<f64>, ObjectiveError> {
        let policy = self.actor_critic.policy();
        if segment.behaviour.len() != segment.len() * policy.statistics_len() {
            return Err(ObjectiveError::OtherExperience {
                expected: "segments with the statistics of the policy that acted",
                found: "segments without",
            });
        }
        let mu = Statistics {
            heads: &policy.separated(&segment.behaviour),
            masks: segment.observations.masks(),
        };
        let mu = policy.likelihoods(mu, &segment.actions);
        let pairs = of.likelihoods.iter().zip(&mu);
        let ratio =
            |(pi, mu): (&Likelihood, &Likelihood)| (pi.log_probability - mu.log_probability).exp();
        Ok(pairs.map(ratio).collect())
    }

    /// What the loss holds constant.
    fn targets(
        &self,
        ratios: &[f64],
        v_t: &[f32],
        segment: &Segment,
        open: &OpenValues,
    ) -> Targets {
        let (settings, Segment { rewards, ends, .. }) = (&self.settings, segment);
        let limit = settings.importance_weight_limit;
        let truncated = |limit: f64| ratios.iter().map(move |ratio| ratio.min(limit));
        let rho_t: Vec<f64> = truncated(limit).collect();
        let c_t = truncated(settings.trace_limit).map(|c| settings.lambda * c);
        let c_t: Vec<f64> = c_t.collect();
        let traced = vtrace(rewards, v_t, &rho_t, &c_t, ends, open, settings.discount);
        let weighted = traced.advantages.iter().zip(&rho_t).map(|(a, rho)| rho * a);
        let is_above = |ratio: &f64| f64::from(u8::from(*ratio > limit));
        Targets {
            a_t: weighted.collect(),
            v_t: traced.targets,
            truncated: mean(ratios.iter().map(is_above)),
            importance_weight: mean(rho_t.into_iter()),
        }
    }

    /// The loss of a segment with these targets.
    fn descend(
        &self,
        of: &Evaluated<'_>,
        segment: &Segment,
        targets: &Targets,
        learnt: Option<&[bool]>,
    ) -> Loss {
        let rows = self.rows(of, targets, learnt);
        let policy = self.actor_critic.policy();
        let mut heads = policy.gradients(
            of.statistics,
            &segment.actions,
            &of.likelihoods,
            &rows.of_policy,
        );
        heads.push(rows.of_v);
        let gradients = OutputGradients {
            heads,
            judgements: Vec::new(),
        };
        let loss = Loss::new(rows.total, gradients, of.terms(targets));
        let critic = &self.actor_critic;
        critic.penalized(loss, of.statistics, rows.share, learnt)
    }

    /// The loss and its derivatives, row by row; nothing is learnt from rows that only fill the batch up.
    fn rows(&self, of: &Evaluated<'_>, targets: &Targets, learnt: Option<&[bool]>) -> Rows {
        let settings = &self.settings;
        let is_learnt = |row: usize| learnt.is_none_or(|learnt| learnt[row]);
        let count = (0..of.v_t.len()).filter(|row| is_learnt(*row)).count();
        let share = weight(settings.reduction, count.max(1));
        let of_value = share * settings.value_weight;
        let of_entropy = share * settings.entropy_weight;
        let mut rows = Rows {
            share,
            ..Rows::default()
        };
        for (row, (likelihood, v)) in of.likelihoods.iter().zip(of.v_t).enumerate() {
            if !is_learnt(row) {
                rows.of_policy.push(Likelihood::default());
                rows.of_v.push(0.0);
                continue;
            }
            let (a, error) = (targets.a_t[row], targets.v_t[row] - f64::from(*v));
            rows.total -= share * a * likelihood.log_probability;
            rows.total += of_value * 0.5 * error * error - of_entropy * likelihood.entropy;
            rows.of_policy.push(Likelihood {
                log_probability: -share * a,
                entropy: -of_entropy,
            });
            rows.of_v.push((-of_value * error) as f32);
        }
        rows
    }
}

impl Objective for Impala {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let (segment, online) = (batch.segment()?, networks.online);
        online.forward(&Input::segment(segment));
        let open = self.actor_critic.open_values(online, segment);
        let of = self.evaluate(online.outputs(), segment);
        let ratios = self.ratios(&of, segment)?;
        let targets = self.targets(&ratios, of.v_t, segment, &open);
        Ok(self.descend(&of, segment, &targets, batch.learnt().as_deref()))
    }
}

/// What the network made of `B` states and the actions taken there.
struct Evaluated<'a> {
    statistics: Statistics<'a>,
    likelihoods: Vec<Likelihood>,
    /// `V(s_t)`, `[B]`.
    v_t: &'a [f32],
}

impl Evaluated<'_> {
    fn terms(&self, targets: &Targets) -> Vec<(&'static str, f64)> {
        let policy = self.likelihoods.iter().zip(&targets.a_t);
        let value = self.v_t.iter().zip(&targets.v_t);
        let squared = |(v, target): (&f32, &f64)| (target - f64::from(*v)).powi(2);
        vec![
            (
                "policy",
                mean(policy.map(|(at, a)| -a * at.log_probability)),
            ),
            ("value", mean(value.map(squared))),
            (
                "entropy",
                mean(self.likelihoods.iter().map(|at| at.entropy)),
            ),
            ("importance_weight", targets.importance_weight),
            ("truncated", targets.truncated),
        ]
    }
}

/// A loss, and its derivatives in each of `B` rows.
#[derive(Default)]
struct Rows {
    /// What each row counts for in the whole.
    share: f64,
    total: f64,
    of_policy: Vec<Likelihood>,
    of_v: Vec<f32>,
}

/// What the loss holds constant.
struct Targets {
    /// `ρ_t (r_t + γ v_{t+1} − V_t)`, `[B]`.
    a_t: Vec<f64>,
    /// `v_t`, `[B]`.
    v_t: Vec<f64>,
    /// Mean of `ρ_t`, for people to look at: 1 on-policy.
    importance_weight: f64,
    /// Share of rows whose ratio is above ρ̄, for people to look at.
    truncated: f64,
}

#[cfg(test)]
#[path = "impala_tests.rs"]
mod tests;
