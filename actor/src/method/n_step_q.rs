//! Asynchronous n-step Q-learning (Mnih et al. 2016, algorithm S2), over `E` environments at once.
//!
//! Descends, per row, `(R_t − Q(s_t, a_t; θ))²`, with `R_t = r_t + γ R_{t+1}` held constant and
//! `R_T = max_a Q(s_T, a; θ⁻)`, 0 where `s_T` is terminal.
//!
//! The backward view descends `−2 Σ_t δ_t Z_t`, where `δ_t = r_t + γ Q(s_{t+1}, a_{t+1}) − Q(s_t, a_t)`
//! is held constant, and `Z_t = γ Z_{t−1} + Q(s_t, a_t; θ)`: the errors of one return telescope to
//! `R_t − Q(s_t, a_t)`, so that the gradient is the same.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::{NStepQSettings, View};

use super::action_values::{ActionValues, discrete};
use super::batch::Batch;
use super::loss::{Loss, weight};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::returns::{advantages, n_step_returns};
use super::setting::Setting;
use super::traces;
use super::value_method::{errors, of_action_values, squared_errors, terms};
use crate::nn::{Input, Model, Outputs};

/// What it descends.
#[derive(Debug)]
pub struct NStepQ {
    settings: NStepQSettings,
    values: Arc<ActionValues>,
}

impl NStepQ {
    /// The method's parts.
    ///
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn parts(
        settings: &NStepQSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let settings = settings.clone();
        of_action_values(setting, |values| Self { settings, values })
    }

    /// `max_a Q(s, a; θ⁻)` behind the segment's open ends.
    fn open_values(&self, target: &mut dyn Model, segment: &Segment) -> OpenValues {
        let state = self.values.open_state(target, segment);
        let input = Input::open(segment, state);
        let outputs = target.evaluate(&input);
        let v_open = self.values.largest(outputs, input.observations.masks());
        segment.open_values(&v_open)
    }

    /// The loss of what the network made of the segment's states.
    fn descend(&self, outputs: &Outputs, segment: &Segment, open: &OpenValues) -> Loss {
        let Segment { rewards, ends, .. } = segment;
        let actions = discrete(&segment.actions);
        let NStepQSettings {
            discount,
            reduction,
            view,
            ..
        } = self.settings;
        let r_t = n_step_returns(rewards, ends, open, discount);
        if view == View::Forward {
            return squared_errors(&r_t, &self.values, outputs, actions, reduction);
        }
        self.descend_traces(outputs, segment, open, &r_t)
    }

    /// The same by the backward view; `r_t` are for people to look at.
    fn descend_traces(
        &self,
        outputs: &Outputs,
        segment: &Segment,
        open: &OpenValues,
        r_t: &[f32],
    ) -> Loss {
        let Segment { rewards, ends, .. } = segment;
        let (actions, gamma) = (discrete(&segment.actions), self.settings.discount);
        let q_taken = self.values.taken(outputs, actions);
        let delta_t = advantages(rewards, &q_taken, ends, open, gamma, 0.0);
        let w_t = traces::hand_back(&delta_t, ends, segment.environments, gamma.into());
        let share = weight(self.settings.reduction, segment.len());
        let of_taken: Vec<f64> = w_t.iter().map(|w| -2.0 * share * w).collect();
        let products = of_taken.iter().zip(&q_taken);
        let total = products.map(|(of, q)| of * f64::from(*q)).sum();
        let gradients = self.values.gradients(actions, &of_taken);
        Loss::new(total, gradients, terms(&errors(r_t, &q_taken), &q_taken))
    }
}

impl Objective for NStepQ {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let segment = batch.segment()?;
        let (online, target) = networks.with_target()?;
        let open = self.open_values(target, segment);
        online.forward(&Input::segment(segment));
        Ok(self.descend(online.outputs(), segment, &open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{
        Game, Learner, always_random, assert_table, learn_m1, m1, spaces,
    };
    use troop_common::experiment::{Experiment, MethodSettings};

    fn tabular(t_max: usize) -> Learner {
        let settings = NStepQSettings {
            t_max,
            discount: 0.9,
            ..NStepQSettings::default()
        };
        let mut experiment = always_random();
        experiment.model.hidden = Vec::new();
        experiment.method = MethodSettings::NStepQ(settings);
        Learner::new(&experiment, &Game::spaces())
    }

    /// With one-step returns the behaviour does not matter: Q* of M1 is [9.9, 10; 11, 9.9].
    #[test]
    fn one_step_returns_find_the_optimal_q_of_m1() {
        let q = learn_m1(&mut tabular(1), 32, 2000, 0.5);
        assert_table(q, [[9.9, 10.0], [11.0, 9.9]], 0.02);
    }

    /// Longer returns contain what the behaviour did. Their fixed point, from the definition: each
    /// length from 1 to `t_max` occurs equally often, and actions are drawn uniformly.
    #[test]
    fn longer_returns_find_the_q_of_their_definition() {
        let q = learn_m1(&mut tabular(3), 32, 2000, 0.5);
        let mut expected = [[0.0_f32; 2]; 2];
        for _ in 0..500 {
            let of = |s, a| (1..=3).map(|n| n_step(s, a, n, &expected)).sum::<f32>() / 3.0;
            expected = [[of(0, 0), of(0, 1)], [of(1, 0), of(1, 1)]];
        }
        assert!((expected[0][1] - 10.0).abs() > 0.5, "{expected:?}");
        assert_table(q, expected, 0.05);
    }

    /// Mean return of `n` steps: `a`, then uniform actions, then the best value.
    fn n_step(s: usize, a: usize, n: usize, q: &[[f32; 2]; 2]) -> f32 {
        let (next, reward) = m1(s, a);
        let behind = match n {
            1 => q[next][0].max(q[next][1]),
            _ => (n_step(next, 0, n - 1, q) + n_step(next, 1, n - 1, q)) / 2.0,
        };
        reward + 0.9 * behind
    }

    #[test]
    fn continuous_actions_are_refused() {
        let experiment = Experiment {
            method: MethodSettings::NStepQ(NStepQSettings::default()),
            ..Experiment::default()
        };
        for spaces in [spaces::continuous(1), spaces::multi_discrete(&[2, 3])] {
            let made = Learner::made(&experiment, &spaces).map(drop);
            assert!(matches!(
                made,
                Err(MethodError::NeedsDiscreteActions { .. })
            ));
        }
    }
}
