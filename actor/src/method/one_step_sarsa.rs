//! Asynchronous one-step SARSA (Mnih et al. 2016, §4), over `E` environments at once.
//!
//! Descends, per row, `(y_t − Q(s_t, a_t; θ))²`, with `y_t = r_t + γ Q(s_{t+1}, a_{t+1}; θ⁻)` held
//! constant, `r_t` where `s_{t+1}` is terminal. `a_{t+1}` is the action that is really taken there: at
//! the segment's end it is decided before the gradient and taken first in the next segment. Where
//! an episode was truncated nobody acts any more, so its action is one that would have been taken.

use tch::{Kind, Tensor};
use troop_common::experiment::OneStepSettings;

use super::action_values::{discrete, taken};
use super::{
    Behaviour, Decision, EpsilonGreedyActor, Loss, Method, MethodError, Setting, constant,
    one_step_returns, reduce,
};
use crate::environment::Actions;
use crate::model::{Network, Parameters};
use crate::segment::{Observed, Segment, to_vec};

/// The method with its network of action values.
#[derive(Debug)]
pub struct OneStepSarsa {
    settings: OneStepSettings,
    actor: EpsilonGreedyActor,
    /// How it acted last.
    behaviour: Behaviour,
    /// For each of the segment's open observations, `[E + F]`; the first `E` are taken next.
    a_open: Vec<i64>,
    /// Whether `a_open` waits to be taken.
    is_planned: bool,
}

impl OneStepSarsa {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(settings: &OneStepSettings, setting: Setting<'_>) -> Result<Self, MethodError> {
        Ok(Self {
            settings: settings.clone(),
            actor: EpsilonGreedyActor::new(setting)?,
            behaviour: Behaviour::Explore { frames: 0 },
            a_open: Vec::new(),
            is_planned: false,
        })
    }

    /// `y_t`, `[B]`.
    fn targets(&self, target: &Parameters, segment: &Segment) -> Vec<f32> {
        let values = &self.actor.values;
        let at = tch::no_grad(|| values.segment(target, segment));
        let v_t = taken(&at.q_t, discrete(segment));
        let q_open = values.open(target, &segment.open(), &at.open_memory);
        let v_open = segment.open_values(&taken(&q_open, &self.a_open));
        one_step_returns(
            &segment.rewards,
            &to_vec(&v_t),
            &segment.ends,
            &v_open,
            self.settings.discount,
        )
    }
}

impl Method for OneStepSarsa {
    fn network(&self) -> &Network {
        self.actor.values.network()
    }

    fn t_max(&self) -> usize {
        self.settings.t_max
    }

    fn needs_target(&self) -> bool {
        true
    }

    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        self.behaviour = behaviour;
        let mut decision = self.actor.act(online, observed, memory, behaviour);
        if std::mem::take(&mut self.is_planned) {
            self.a_open
                .truncate(observed.observations.size()[0] as usize);
            decision.actions = Actions::Discrete(std::mem::take(&mut self.a_open));
        }
        decision
    }

    fn interrupted(&mut self) {
        self.is_planned = false;
    }

    fn receive(&mut self, online: &Parameters, segment: &Segment) -> usize {
        let values = &self.actor.values;
        let open = segment.open();
        let q_open = values.open(online, &open, &values.open_memory(online, segment));
        self.a_open = self.actor.choose(&q_open, &open, self.behaviour);
        self.is_planned = true;
        1
    }

    fn loss(
        &mut self,
        online: &Parameters,
        target: Option<&Parameters>,
        segment: &Segment,
        _: usize,
    ) -> Option<Loss> {
        let y_t = self.targets(target.unwrap_or(online), segment);
        let q_t = self.actor.values.segment(online, segment).q_t;
        let q_taken = taken(&q_t, discrete(segment));
        let losses = (constant(&y_t, q_taken.kind()) - &q_taken).square();
        Some(Loss {
            total: reduce(&losses, self.settings.reduction),
            terms: vec![
                ("value", losses.detach().mean(None::<Kind>)),
                ("q", q_taken.detach().mean(None::<Kind>)),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::End;
    use crate::method::testing::{
        Game, assert_table, doubles, learn_m1, random_segment, setting, spaces, with_epsilon,
    };
    use crate::segment::ObservationBuffer;

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
            let spaces = Game::spaces();
            let mut method =
                OneStepSarsa::new(&settings(t_max), setting(&experiment, &spaces)).unwrap();
            let q = learn_m1(&mut method, 256, 4000, 0.6);
            assert_table(q, [[9.789_75, 9.934_75], [10.934_75, 9.789_75]], 0.03);
        }
    }

    /// What it bootstrapped from is what it does, however random; after a reset it decides anew.
    #[test]
    fn the_action_at_a_segments_end_is_the_next_ones_first() {
        let (experiment, spaces) = (with_epsilon(1.0), spaces::discrete(1000));
        let mut method = OneStepSarsa::new(&settings(6), setting(&experiment, &spaces)).unwrap();
        let online = doubles(method.network(), 1);
        let segment = random_segment(&spaces, 3);
        let ends = segment.ends.iter().filter(|end| **end == End::Truncated);
        let open = 3 + ends.count();
        let explore = Behaviour::Explore { frames: 7 };
        let act = |method: &mut OneStepSarsa, shown: &ObservationBuffer| {
            let memory = crate::memory::Memory::new(3, 0).tensor();
            let decision = method.act(&online, &shown.observed(), &memory, explore);
            match decision.actions {
                Actions::Discrete(actions) => actions,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(method.receive(&online, &segment), 1);
        let planned = method.a_open.clone();
        assert_eq!(planned.len(), open);
        let shown = &segment.bootstrap_observations;
        assert_eq!(act(&mut method, shown), planned[..3]);
        assert_ne!(act(&mut method, shown), planned[..3]);
        method.receive(&online, &segment);
        let planned = method.a_open.clone();
        method.interrupted();
        assert_ne!(act(&mut method, shown), planned[..3]);
    }
}
