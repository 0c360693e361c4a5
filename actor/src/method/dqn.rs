//! Deep Q-learning from a worker's own replay memory, with gradients for a parameter server: Gorila
//! (Nair et al. 2015) in its bundled mode.
//!
//! Per transition `i`, drawn with probability `P(i)`, descends `w_i · h(y_i − Q(s_i, a_i; θ))`, where
//! `y_i = R_i + γ^m max_a Q(s_{i+m}, a; θ⁻)` is held constant (`R_i` where the episode terminated) and `h` is half the square,
//! linear beyond ± `td_error_clip`. Double Q takes `Q(s_{i+m}, argmax_a Q(s_{i+m}, a; θ); θ⁻)` in place of the maximum
//! (van Hasselt et al. 2016, eq. 4); `w_i = (N·P(i))^−β / max w` (Schaul et al. 2016, §3.4).
//!
//! A gradient whose loss is an outlier is discarded before it is sent; the learner discards what is too stale.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Transitions;
use troop_common::experiment::DqnSettings;
use troop_replay::{InitialPriority, ItemKind, Pace, TableKind};

use super::action_values::ActionValues;
use super::advice::Advice;
use super::batch::Batch;
use super::loss::{Loss, mean};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::outliers::Outliers;
use super::setting::Setting;
use super::shared_experience::{SharedExperience, Table, samples_per_insert};
use super::transition_memory::{TransitionMemory, importance_exponent};
use super::value_method::of_told_values;
use crate::nn::{Input, Model, Outputs};

/// What it descends.
#[derive(Debug)]
pub struct Dqn {
    settings: DqnSettings,
    values: Arc<ActionValues>,
    outliers: Outliers,
}

impl Dqn {
    /// The method's parts.
    ///
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn parts(
        settings: &DqnSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let memory = TransitionMemory::new(settings, setting);
        let shared = share(settings, setting);
        let tells_values =
            shared.replay.behaviour_len > 0 && setting.experiment.topology.is_split();
        let parts = of_told_values(setting, tells_values, |values| Self::new(settings, values))?;
        Ok(MethodParts {
            shared: Some(shared),
            replay_demand: Some(memory.demand()),
            experience: Box::new(memory),
            ..parts
        })
    }

    fn new(settings: &DqnSettings, values: Arc<ActionValues>) -> Self {
        Self {
            outliers: Outliers::new(
                settings.outlier_deviations,
                settings.outlier_decay,
                settings.outlier_min_gradients,
            ),
            settings: settings.clone(),
            values,
        }
    }

    /// What the value behind each transition is worth, `[B]`, by the target network.
    fn v_next(
        &self,
        online: &mut dyn Model,
        target: &mut dyn Model,
        batch: &Transitions,
    ) -> Vec<f32> {
        let input = Input::stateless(&batch.next_observations);
        let masks = batch.next_observations.masks();
        let q_next = target.evaluate(&input);
        if !self.settings.double_q {
            return self.values.largest(q_next, masks);
        }
        self.values
            .chosen_by(online.evaluate(&input), q_next, masks)
    }

    /// `y_i`, `[B]`, constants.
    fn targets(
        &self,
        online: &mut dyn Model,
        target: &mut dyn Model,
        batch: &Transitions,
    ) -> Vec<f32> {
        let v_next = self.v_next(online, target, batch);
        let parts = batch.rewards.iter().zip(&batch.discounts).zip(v_next);
        // 0 · ∞ would not be 0 if nothing comes behind.
        parts
            .map(|((r, discount), v)| r + if *discount == 0.0 { 0.0 } else { discount * v })
            .collect()
    }

    /// `h(δ)` and its derivative: half the square, linear beyond the clip.
    fn huber(&self, error: f64) -> (f64, f64) {
        match self.settings.td_error_clip {
            Some(clip) if error.abs() > clip => {
                (clip * (error.abs() - clip / 2.0), clip * error.signum())
            }
            _ => (error * error / 2.0, error),
        }
    }

    /// `mean_i w_i h(δ_i)` of what the network made of the transitions' states.
    fn descend(&self, outputs: &Outputs, batch: &Transitions, y: &[f32]) -> Loss {
        let q_taken = self.values.taken(outputs, &batch.actions);
        let share = 1.0 / batch.len() as f64;
        let (mut total, mut unweighted) = (0.0, 0.0);
        let (mut of_taken, mut td_errors) = (Vec::new(), Vec::new());
        for ((y, q), weight) in y.iter().zip(&q_taken).zip(&batch.weights) {
            let error = f64::from(*y) - f64::from(*q);
            let (loss, slope) = self.huber(error);
            let weight = f64::from(*weight) * share;
            total += weight * loss;
            unweighted += share * loss;
            of_taken.push(-weight * slope);
            td_errors.push(error as f32);
        }
        let q = mean(q_taken.iter().map(|q| f64::from(*q)));
        let gradients = self.values.gradients(&batch.actions, &of_taken);
        Loss {
            td_errors,
            ..Loss::new(total, gradients, vec![("value", unweighted), ("q", q)])
        }
    }
}

/// How it learns from a replay that workers share: Gorila with a global replay (Nair et al. 2015, §4), and by priority
/// Ape-X (Horgan et al. 2018).
fn share(settings: &DqnSettings, setting: &Setting<'_>) -> SharedExperience {
    let pace = Pace {
        start_env_steps: settings.replay_start_env_steps,
        samples_per_insert: Some(samples_per_insert(
            setting,
            settings.replay_ratio,
            settings.batch_size,
        )),
    };
    let by_priority = settings.priority_exponent > 0.0;
    let kind = match by_priority {
        false => TableKind::Uniform { pace },
        true => TableKind::Prioritized {
            exponent: settings.priority_exponent,
            epsilon: settings.priority_epsilon,
            initial: InitialPriority::Actor,
            pace,
        },
    };
    let table = Table {
        items: ItemKind::Transitions {
            n_step: settings.n_step,
            discount: settings.discount,
        },
        kind,
        draw: settings.batch_size,
        // What the actor thinks of its own actions, for the first priorities.
        behaviour_len: if by_priority { 2 } else { 0 },
        state_len: 0,
    };
    let settings = settings.clone();
    SharedExperience {
        importance_exponent: Box::new(move |frames| importance_exponent(&settings, frames)),
        ..SharedExperience::new(setting, &table)
    }
}

impl Objective for Dqn {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let (online, target) = networks.with_target()?;
        let batch = batch.transitions()?;
        let y = self.targets(online, target, batch);
        online.forward(&Input::stateless(&batch.observations));
        let mut loss = self.descend(online.outputs(), batch, &y);
        if !self.outliers.admits(loss.total.abs()) {
            loss.advice = Advice::Withhold;
        }
        Ok(loss)
    }
}

#[cfg(test)]
#[path = "dqn_tests.rs"]
mod tests;
