//! Asynchronous one-step Q-learning (Mnih et al. 2016, algorithm 1), over `E` environments at once.
//!
//! Descends, per row, `(y_t − Q(s_t, a_t; θ))²`, with `y_t = r_t + γ max_a Q(s_{t+1}, a; θ⁻)` held
//! constant, `r_t` where `s_{t+1}` is terminal.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experiment::OneStepSettings;

use super::action_values::ActionValues;
use super::batch::Batch;
use super::loss::Loss;
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::setting::Setting;
use super::value_method::{of_action_values, one_step_loss};

/// What it descends.
#[derive(Debug)]
pub struct OneStepQ {
    settings: OneStepSettings,
    values: Arc<ActionValues>,
}

impl OneStepQ {
    /// The method's parts.
    ///
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn parts(
        settings: &OneStepSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let settings = settings.clone();
        of_action_values(setting, |values| Self { settings, values })
    }
}

impl Objective for OneStepQ {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let values = &self.values;
        one_step_loss(values, &self.settings, networks, batch, |at, masks, _| {
            values.largest(at, masks)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{Game, Learner, always_random, assert_table, learn_m1};
    use troop_common::experiment::MethodSettings;

    /// Whatever the behaviour and the segment's length: Q* of M1 is [9.9, 10; 11, 9.9].
    #[test]
    fn it_finds_the_optimal_q_of_m1() {
        for t_max in [1, 4] {
            let settings = OneStepSettings {
                t_max,
                discount: 0.9,
                ..OneStepSettings::default()
            };
            let mut experiment = always_random();
            experiment.model.hidden = Vec::new();
            experiment.method = MethodSettings::OneStepQ(settings);
            let mut learner = Learner::new(&experiment, &Game::spaces());
            let q = learn_m1(&mut learner, 32, 2000, 0.5);
            assert_table(q, [[9.9, 10.0], [11.0, 9.9]], 0.02);
        }
    }
}
