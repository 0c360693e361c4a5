//! Asynchronous one-step SARSA (Mnih et al. 2016, §4), over `E` environments at once.
//!
//! Descends, per row, `(y_t − Q(s_t, a_t; θ))²`, with `y_t = r_t + γ Q(s_{t+1}, a_{t+1}; θ⁻)` held
//! constant, `r_t` where `s_{t+1}` is terminal. `a_{t+1}` is the action that is really taken there: at
//! the segment's end it is decided before the gradient and taken first in the next segment. Where
//! an episode was truncated nobody acts any more, so its action is one that would have been taken.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, ObservationBuffer, RecurrentState, Segment};
use troop_common::experiment::OneStepSettings;

use super::action_values::{ActionValues, discrete};
use super::batch::Batch;
use super::behaviour::{Behaviour, Decision, Purpose};
use super::epsilon_greedy_behaviour::EpsilonGreedyBehaviour;
use super::loss::Loss;
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::setting::Setting;
use super::value_method::one_step_loss;
use crate::nn::{Input, Model};

/// What it descends.
#[derive(Debug)]
pub struct OneStepSarsa {
    settings: OneStepSettings,
    values: Arc<ActionValues>,
}

/// Acts ε-greedily, and decides at a segment's end what comes next.
#[derive(Debug)]
struct DecidesAhead {
    values: Arc<ActionValues>,
    inner: EpsilonGreedyBehaviour,
    /// What it acted for last.
    purpose: Purpose,
    /// For each of the segment's open observations, `[E + F]`; the first `E` are taken next.
    a_open: Option<Vec<i64>>,
}

impl OneStepSarsa {
    /// The method's parts.
    ///
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn parts(
        settings: &OneStepSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let values = Arc::new(ActionValues::new(setting)?);
        let behaviour = DecidesAhead {
            inner: EpsilonGreedyBehaviour::new(Arc::clone(&values), setting),
            values: Arc::clone(&values),
            purpose: Purpose::Explore { frames: 0 },
            a_open: None,
        };
        let network = Arc::clone(values.network());
        let settings = settings.clone();
        let objective = Self { settings, values };
        Ok(MethodParts::on_policy(
            setting, network, behaviour, objective,
        ))
    }
}

impl Behaviour for DecidesAhead {
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        self.purpose = purpose;
        let mut decision = self.inner.act(online, shown, state, purpose, rng);
        if let Some(mut a_open) = self.a_open.take() {
            a_open.truncate(shown.len());
            decision.actions = Actions::Discrete(a_open);
        }
        decision
    }

    fn complete(&mut self, online: &mut dyn Model, segment: &mut Segment, rng: &mut ChaCha8Rng) {
        let state = self.values.open_state(online, segment);
        let input = Input::open(segment, state);
        let (outputs, masks) = (online.evaluate(&input), input.observations.masks());
        let a_open = self.inner.choose(outputs, masks, self.purpose, rng);
        segment.open_actions = Actions::Discrete(a_open.clone());
        self.a_open = Some(a_open);
    }

    fn interrupted(&mut self) {
        self.a_open = None;
    }
}

impl Objective for OneStepSarsa {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let values = &self.values;
        one_step_loss(values, &self.settings, networks, batch, |at, _, actions| {
            values.taken(at, discrete(actions))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{
        Game, Learner, assert_table, learn_m1, random_segment, spaces, with_epsilon,
    };
    use troop_common::experience::End;
    use troop_common::experiment::MethodSettings;

    fn settings(t_max: usize) -> OneStepSettings {
        OneStepSettings {
            t_max,
            discount: 0.9,
            ..OneStepSettings::default()
        }
    }

    /// The Q of its own behaviour on M1, greedy a1 and a0 with ε = 0.1.
    #[test]
    fn it_finds_the_q_of_its_behaviour_on_m1() {
        for t_max in [1, 4] {
            let mut experiment = with_epsilon(0.1);
            experiment.model.hidden = Vec::new();
            experiment.method = MethodSettings::OneStepSarsa(settings(t_max));
            let mut learner = Learner::new(&experiment, &Game::spaces());
            let q = learn_m1(&mut learner, 256, 4000, 0.6);
            assert_table(q, [[9.789_75, 9.934_75], [10.934_75, 9.789_75]], 0.03);
        }
    }

    /// What it bootstrapped from is what it does, however random; after a reset it decides anew.
    #[test]
    fn the_action_at_a_segments_end_is_the_next_ones_first() {
        let (mut experiment, spaces) = (with_epsilon(1.0), spaces::discrete(1000));
        experiment.method = MethodSettings::OneStepSarsa(settings(6));
        let mut learner = Learner::new(&experiment, &spaces);
        let mut online = learner.drawn_model(1);
        let segment = random_segment(&spaces, 3);
        let ends = segment.ends.iter().filter(|end| **end == End::Truncated);
        let open = 3 + ends.count();
        let shown = segment.bootstrap_observations.clone();
        let act = |learner: &mut Learner, online: &mut dyn Model| {
            let purpose = Purpose::Explore { frames: 7 };
            let state = RecurrentState::new(3, 0);
            let decision = learner.act(online, &shown, &state, purpose);
            discrete(&decision.actions).to_vec()
        };
        let plan = |learner: &mut Learner, online: &mut dyn Model| {
            let segment = learner.complete(online, &segment);
            discrete(&segment.open_actions).to_vec()
        };
        let planned = plan(&mut learner, &mut *online);
        assert_eq!(planned.len(), open);
        assert_eq!(act(&mut learner, &mut *online), planned[..3]);
        assert_ne!(act(&mut learner, &mut *online), planned[..3]);
        let planned = plan(&mut learner, &mut *online);
        learner.parts.behaviour.interrupted();
        assert_ne!(act(&mut learner, &mut *online), planned[..3]);
    }
}
