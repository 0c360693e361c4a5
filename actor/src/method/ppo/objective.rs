use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, Segment};
use troop_common::experiment::PpoSettings;
use troop_replay::Stretches;

use super::epochs::Epochs;
use super::minibatch::Minibatch;
use super::surrogate::{divergence, surrogate, value_error};
use super::targets::Targets;
use crate::method::actor_critic::ActorCritic;
use crate::method::advice::Advice;
use crate::method::batch::Batch;
use crate::method::loss::Loss;
use crate::method::method_error::MethodError;
use crate::method::method_parts::MethodParts;
use crate::method::networks::Networks;
use crate::method::objective::Objective;
use crate::method::objective_error::ObjectiveError;
use crate::method::part::Part;
use crate::method::policy_behaviour::PolicyBehaviour;
use crate::method::setting::Setting;
use crate::method::shared_experience::SharedExperience;
use crate::nn::distribution::{Likelihood, Policy, Statistics};
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
        let shared = SharedExperience::of_unrolls(setting, &actor_critic, settings.batch_size);
        Ok(MethodParts {
            network: Arc::clone(actor_critic.network()),
            behaviour: Box::new(PolicyBehaviour::with_statistics(actor_critic)),
            objective: Box::new(objective),
            experience: Box::new(Epochs::new(settings, setting)),
            keeps_states: false,
            shared: Some(shared),
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
        let log_prox = log_probabilities(policy, statistics, &segment.actions);
        let log_behav = self.log_behaviour(segment);
        Targets::new(&self.settings, segment, log_prox, &log_behav, v_t, &open)
    }

    /// `log π(a_t|s_t)` of the policy that acted, `[B]`.
    fn log_behaviour(&self, segment: &Segment) -> Vec<f64> {
        let policy = self.actor_critic.policy();
        let statistics = Statistics {
            heads: &policy.separated(&segment.behaviour),
            masks: segment.observations.masks(),
        };
        log_probabilities(policy, statistics, &segment.actions)
    }

    /// The loss of some of a segment's steps.
    fn of_part(&mut self, online: &mut dyn Model, part: Part<'_>) -> Result<Loss, ObjectiveError> {
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
        let minibatch = &self.minibatch;
        let of = (minibatch.observations.masks(), &minibatch.actions);
        Ok(self.descend(online.outputs(), of, &targets, None))
    }

    /// The loss of unrolls that are learnt from once: one gradient, around the policy that acted.
    fn of_unrolls(&self, online: &mut dyn Model, unrolls: &Stretches) -> Loss {
        let segment = &unrolls.segment;
        online.forward(&Input::segment(segment));
        let learnt = unrolls.learnt();
        let targets = self.traced(online, segment, &learnt);
        let of = (segment.observations.masks(), &segment.actions);
        self.descend(online.outputs(), of, &targets, Some(&learnt))
    }

    /// What a gradient of unrolls holds constant, of what the network made of them in its last forward pass.
    fn traced(&self, online: &mut dyn Model, segment: &Segment, learnt: &[bool]) -> Targets {
        let open = self.actor_critic.open_values(online, segment);
        let masks = segment.observations.masks();
        let (statistics, v_t) = self.actor_critic.split(online.outputs(), masks);
        let policy = self.actor_critic.policy();
        let log_pi = log_probabilities(policy, statistics, &segment.actions);
        let logs = (&log_pi[..], self.log_behaviour(segment));
        let normalized = self.settings.normalize_advantages.then_some(learnt);
        Targets::traced(&self.settings, segment, logs, (v_t, &open), normalized)
    }

    /// The loss of what the network made of states with these masks, where these actions were taken; nothing is learnt from
    /// rows that only fill the batch up.
    fn descend(
        &self,
        outputs: &Outputs,
        (masks, actions): (&[bool], &Actions),
        targets: &Targets,
        learnt: Option<&[bool]>,
    ) -> Loss {
        let (statistics, v_t) = self.actor_critic.split(outputs, masks);
        let policy = self.actor_critic.policy();
        let likelihoods = policy.likelihoods(statistics, actions);
        let is_learnt = |row: &usize| learnt.is_none_or(|learnt| learnt[*row]);
        let count = (0..v_t.len()).filter(is_learnt).count().max(1);
        let of_row = |row: usize| match is_learnt(&row) {
            true => self.row((likelihoods[row], v_t[row].into()), targets, row, count),
            false => Row::default(),
        };
        let rows: Vec<Row> = (0..v_t.len()).map(of_row).collect();
        let of_policy: Vec<Likelihood> = rows.iter().map(|row| row.of_policy).collect();
        let mut heads = policy.gradients(statistics, actions, &likelihoods, &of_policy);
        heads.push(rows.iter().map(|row| row.of_v as f32).collect());
        let gradients = OutputGradients {
            heads,
            judgements: Vec::new(),
        };
        let loss = self.whole(&rows, count, gradients);
        let critic = &self.actor_critic;
        critic.penalized(loss, statistics, 1.0 / count as f64, learnt)
    }

    /// The loss of one row, and its share of the gradient of the mean of `count`.
    fn row(&self, (at, v): (Likelihood, f64), targets: &Targets, row: usize, count: usize) -> Row {
        let settings = &self.settings;
        let share = 1.0 / count as f64;
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
            rho: targets.rho_t[row],
            of_policy: Likelihood {
                log_probability: -share * w * policy.slope,
                entropy: -share * settings.entropy_weight,
            },
            of_v: share * settings.value_weight * value.slope,
        }
    }

    fn whole(&self, rows: &[Row], count: usize, gradients: OutputGradients) -> Loss {
        let settings = &self.settings;
        let term = |part: fn(&Row) -> f64| rows.iter().map(part).sum::<f64>() / count as f64;
        let (policy, value) = (term(|row| row.policy), term(|row| row.value));
        let (entropy, kl) = (term(|row| row.entropy), term(|row| row.kl));
        let terms = vec![
            ("policy", policy),
            ("value", value),
            ("entropy", entropy),
            ("kl", kl),
            ("clip_fraction", term(|row| row.is_clipped.into())),
            ("importance_weight", term(|row| row.rho)),
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
        let online = networks.online;
        if let Batch::Stretches(unrolls) = batch {
            return Ok(self.of_unrolls(online, unrolls));
        }
        self.of_part(online, batch.part()?)
    }
}

/// `log π(a|s)` of actions by policies with these statistics, `[B]`.
fn log_probabilities(policy: &Policy, of: Statistics<'_>, actions: &Actions) -> Vec<f64> {
    let likelihoods = policy.likelihoods(of, actions);
    likelihoods.iter().map(|at| at.log_probability).collect()
}

/// What one row adds to a loss.
#[derive(Default)]
struct Row {
    policy: f64,
    value: f64,
    entropy: f64,
    kl: f64,
    is_clipped: bool,
    rho: f64,
    /// Derivatives of the whole loss.
    of_policy: Likelihood,
    of_v: f64,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
