use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::experiment::PpoSettings;

use super::epochs::Epochs;
use super::minibatch::Minibatch;
use super::surrogate::{divergence, surrogate, value_error};
use super::targets::Targets;
use crate::method::actor_critic::ActorCritic;
use crate::method::advice::Advice;
use crate::method::batch::Batch;
use crate::method::loss::{Loss, mean};
use crate::method::method_error::MethodError;
use crate::method::method_parts::MethodParts;
use crate::method::networks::Networks;
use crate::method::objective::Objective;
use crate::method::objective_error::ObjectiveError;
use crate::method::policy_behaviour::PolicyBehaviour;
use crate::method::setting::Setting;
use crate::nn::distribution::{Likelihood, Statistics};
use crate::nn::{Input, Model, OutputGradients, Outputs};

/// What it descends.
#[derive(Debug)]
pub struct Ppo {
    settings: PpoSettings,
    actor_critic: Arc<ActorCritic>,
    /// Of the segment that is gone through.
    targets: Option<Targets>,
    minibatch: Minibatch,
}

impl Ppo {
    /// The method's parts.
    ///
    /// # Errors
    /// If the model cannot take the observations.
    pub fn parts(
        settings: &PpoSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let objective = Self::new(settings, setting)?;
        let actor_critic = Arc::clone(&objective.actor_critic);
        Ok(MethodParts {
            network: Arc::clone(actor_critic.network()),
            behaviour: Box::new(PolicyBehaviour::with_statistics(actor_critic)),
            objective: Box::new(objective),
            experience: Box::new(Epochs::new(settings, setting)),
            shared: None,
            replay_demand: None,
        })
    }

    fn new(settings: &PpoSettings, setting: &Setting<'_>) -> Result<Self, MethodError> {
        Ok(Self {
            settings: settings.clone(),
            actor_critic: Arc::new(ActorCritic::new(setting)?),
            targets: None,
            minibatch: Minibatch::new(setting.spaces),
        })
    }

    /// What is held constant from now on, by the weights that are the newest now.
    fn targets(&self, online: &mut dyn Model, segment: &Segment) -> Targets {
        online.forward(&Input::segment(segment));
        let open = self.actor_critic.open_values(online, segment);
        let masks = segment.observations.masks();
        let (statistics, v_t) = self.actor_critic.split(online.outputs(), masks);
        let policy = self.actor_critic.policy();
        let log_pi = |of: Statistics<'_>| {
            let likelihoods = policy.likelihoods(of, &segment.actions);
            likelihoods.iter().map(|at| at.log_probability).collect()
        };
        let heads = &policy.separated(&segment.behaviour);
        let log_behav: Vec<f64> = log_pi(Statistics { heads, masks });
        let log_prox = log_pi(statistics);
        Targets::new(&self.settings, segment, log_prox, &log_behav, v_t, &open)
    }

    /// The loss of what the network made of the minibatch's states.
    fn descend(&self, outputs: &Outputs, minibatch: &Minibatch, targets: &Targets) -> Loss {
        let masks = minibatch.observations.masks();
        let (statistics, v_t) = self.actor_critic.split(outputs, masks);
        let (policy, actions) = (self.actor_critic.policy(), &minibatch.actions);
        let likelihoods = policy.likelihoods(statistics, actions);
        let rows: Vec<Row> = (0..v_t.len())
            .map(|row| self.row(likelihoods[row], v_t[row].into(), targets, row))
            .collect();
        let of_policy: Vec<Likelihood> = rows.iter().map(|row| row.of_policy).collect();
        let mut heads = policy.gradients(statistics, actions, &likelihoods, &of_policy);
        heads.push(rows.iter().map(|row| row.of_v as f32).collect());
        let gradients = OutputGradients {
            heads,
            judgements: Vec::new(),
        };
        self.whole(&rows, gradients)
    }

    /// The loss of one row, and its share of the gradient of the mean.
    fn row(&self, at: Likelihood, v: f64, targets: &Targets, row: usize) -> Row {
        let settings = &self.settings;
        let share = 1.0 / targets.w_t.len() as f64;
        let (w, log_ratio) = (targets.w_t[row], at.log_probability - targets.log_prox[row]);
        let ratio = log_ratio.exp();
        let policy = surrogate(ratio, targets.a_t[row].into(), settings.clip);
        let (r, before) = (targets.r_t[row].into(), targets.v_t[row].into());
        let value = value_error(v, r, before, settings.value_clip);
        Row {
            policy: -w * policy.value,
            value: value.value,
            entropy: at.entropy,
            kl: w * divergence(log_ratio),
            is_clipped: (ratio - 1.0).abs() > settings.clip,
            w,
            of_policy: Likelihood {
                log_probability: -share * w * policy.slope,
                entropy: -share * settings.entropy_weight,
            },
            of_v: share * settings.value_weight * value.slope,
        }
    }

    fn whole(&self, rows: &[Row], gradients: OutputGradients) -> Loss {
        let settings = &self.settings;
        let term = |part: fn(&Row) -> f64| mean(rows.iter().map(part));
        let (policy, value) = (term(|row| row.policy), term(|row| row.value));
        let (entropy, kl) = (term(|row| row.entropy), term(|row| row.kl));
        let terms = vec![
            ("policy", policy),
            ("value", value),
            ("entropy", entropy),
            ("kl", kl),
            ("clip_fraction", term(|row| row.is_clipped.into())),
            ("importance_weight", term(|row| row.w)),
        ];
        let total = policy + settings.value_weight * value - settings.entropy_weight * entropy;
        let mut loss = Loss::new(total, gradients, terms);
        if settings.max_kl.is_some_and(|most| kl > most) {
            loss.advice = Advice::LeaveRest;
        }
        loss
    }
}

impl Objective for Ppo {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let (part, online) = (batch.part()?, networks.online);
        if part.is_first {
            self.targets = Some(self.targets(online, part.segment));
        }
        let of_segment = self
            .targets
            .as_ref()
            .ok_or(ObjectiveError::OtherExperience {
                expected: "a segment from its first part on",
                found: "a later part",
            })?;
        let targets = of_segment.of_rows(part.rows, self.settings.normalize_advantages);
        self.minibatch.take(part);
        online.forward(&self.minibatch.input());
        Ok(self.descend(online.outputs(), &self.minibatch, &targets))
    }
}

/// What one row adds to a loss.
struct Row {
    policy: f64,
    value: f64,
    entropy: f64,
    kl: f64,
    is_clipped: bool,
    w: f64,
    /// Derivatives of the whole loss.
    of_policy: Likelihood,
    of_v: f64,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
