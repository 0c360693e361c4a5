use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::R2d2Settings;
use troop_replay::{InitialPriority, ItemKind, Pace, TableKind, sequence_priority};

use super::rescaling::Rescaling;
use super::sequences::Sequences;
use crate::method::action_values::{ActionValues, discrete};
use crate::method::batch::Batch;
use crate::method::loss::Loss;
use crate::method::method_error::MethodError;
use crate::method::method_parts::MethodParts;
use crate::method::networks::Networks;
use crate::method::objective::Objective;
use crate::method::objective_error::ObjectiveError;
use crate::method::own_replay::OwnReplay;
use crate::method::returns::bounded_returns;
use crate::method::setting::Setting;
use crate::method::shared_experience::{SharedExperience, Table, samples_per_insert};
use crate::method::value_method::of_action_values;
use crate::nn::{Input, Model, Outputs};

/// What it descends.
#[derive(Debug)]
pub struct R2d2 {
    settings: R2d2Settings,
    values: Arc<ActionValues>,
    rescaling: Rescaling,
}

impl R2d2 {
    /// The method's parts.
    ///
    /// # Errors
    /// If actions are not discrete, the model cannot take the observations, or a worker's own replay would be too small.
    pub fn parts(
        settings: &R2d2Settings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let parts = of_action_values(setting, |values| Self::new(settings, values))?;
        let state_len = parts.network.state_len();
        let shared = share(settings, setting, state_len);
        let mut parts = MethodParts {
            keeps_states: state_len > 0,
            ..parts
        };
        if setting.experiment.topology.is_split() {
            parts.shared = Some(shared);
        } else {
            let own = OwnReplay::new(&shared, settings.importance_exponent, setting)?;
            parts.replay_demand = Some(own.demand());
            parts.experience = Box::new(own);
        }
        Ok(parts)
    }

    pub(super) fn new(settings: &R2d2Settings, values: Arc<ActionValues>) -> Self {
        Self {
            rescaling: Rescaling::new(settings.rescaling_epsilon),
            settings: settings.clone(),
            values,
        }
    }

    /// `y_t` of what follows the burn-in, `[T, B]`, constants: of what the online network made of it in its last forward pass.
    pub(super) fn targets(
        &self,
        online: &mut dyn Model,
        target: &mut dyn Model,
        sequences: &mut Sequences,
    ) -> Vec<f64> {
        let open_state = online.outputs().open_state();
        sequences.warm_up(target);
        let learnt = &sequences.learnt;
        let masks = learnt.observations.masks();
        let at = target.evaluate(&Input::segment(learnt));
        let target_open_state = at.open_state();
        let v_t = self.v(online.outputs(), at, masks);
        let input = Input::open(learnt, open_state);
        let masks = input.observations.masks();
        let online_open = online.evaluate(&input);
        let target_open = target.evaluate(&Input::open(learnt, target_open_state));
        let open = learnt.open_values(&self.v(online_open, target_open, masks));
        self.rescaled_returns(learnt, &v_t, &open)
    }

    /// `h⁻¹(Q(s, argmax_a Q(s, a; θ); θ⁻))` of each row.
    fn v(&self, online: &Outputs, target: &Outputs, masks: &[bool]) -> Vec<f32> {
        let rescaled = self.values.chosen_by(online, target, masks);
        let v = rescaled.iter().map(|q| self.rescaling.inverse((*q).into()));
        v.map(|v| v as f32).collect()
    }

    fn rescaled_returns(&self, learnt: &Segment, v_t: &[f32], open: &OpenValues) -> Vec<f64> {
        let (discount, n_step) = (self.settings.discount, self.settings.n_step);
        let returns = bounded_returns(&learnt.rewards, v_t, &learnt.ends, open, discount, n_step);
        returns.into_iter().map(|r| self.rescaling.of(r)).collect()
    }

    /// The loss of what the network made of the rows that are learnt from.
    pub(super) fn descend(
        &self,
        outputs: &Outputs,
        sequences: &Sequences,
        y: &[f64],
        weights: &[f32],
    ) -> Loss {
        let actions = discrete(&sequences.learnt.actions);
        let q_taken = self.values.taken(outputs, actions);
        let count: usize = sequences.lengths.iter().sum();
        let share = 1.0 / count as f64;
        let mut errors = vec![Vec::new(); weights.len()];
        let (mut total, mut squared, mut q_sum) = (0.0, 0.0, 0.0);
        let mut of_taken = vec![0.0; q_taken.len()];
        for (row, (y, q)) in y.iter().zip(&q_taken).enumerate() {
            if !sequences.is_real(row) {
                continue;
            }
            let (sequence, error) = (row % weights.len(), y - f64::from(*q));
            let weight = share * f64::from(weights[sequence]);
            total += weight * error * error / 2.0;
            squared += share * error * error;
            q_sum += share * f64::from(*q);
            of_taken[row] = -weight * error;
            errors[sequence].push(error as f32);
        }
        let gradients = self.values.gradients(actions, &of_taken);
        Loss {
            td_errors: errors.iter().map(|own| sequence_priority(own)).collect(),
            ..Loss::new(total, gradients, vec![("value", squared), ("q", q_sum)])
        }
    }
}

impl Objective for R2d2 {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let (online, target) = networks.with_target()?;
        let stretches = batch.stretches()?;
        let Some(mut sequences) = Sequences::of(stretches) else {
            return Err(ObjectiveError::OtherExperience {
                expected: "sequences that go on behind their burn-in",
                found: "shorter ones",
            });
        };
        sequences.warm_up(online);
        online.forward(&Input::segment(&sequences.learnt));
        let y = self.targets(online, target, &mut sequences);
        Ok(self.descend(online.outputs(), &sequences, &y, &stretches.weights))
    }
}

/// How it learns from a replay: sequences by priority.
fn share(settings: &R2d2Settings, setting: &Setting<'_>, state_len: usize) -> SharedExperience {
    let draw = settings.batch_size;
    let env_steps = settings.sequence_env_steps;
    let pace = Pace {
        start_env_steps: settings.replay_start_env_steps,
        samples_per_insert: Some(samples_per_insert(
            setting,
            settings.replay_ratio,
            draw * env_steps,
        )),
    };
    let table = Table {
        items: ItemKind::Sequences {
            env_steps,
            overlap: settings.overlap_env_steps,
            burn_in: settings.burn_in_env_steps,
        },
        kind: TableKind::Prioritized {
            exponent: settings.priority_exponent,
            epsilon: settings.priority_epsilon,
            initial: InitialPriority::Largest,
            pace,
        },
        draw,
        behaviour_len: 0,
        state_len,
    };
    let exponent = settings.importance_exponent;
    SharedExperience {
        importance_exponent: Box::new(move |_| exponent),
        ..SharedExperience::new(setting, &table)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
