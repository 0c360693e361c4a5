//! Asynchronous one-step Q-learning (Mnih et al. 2016, algorithm 1), over `E` environments at once.
//!
//! Descends, per row, `(y_t − Q(s_t, a_t; θ))²`, with `y_t = r_t + γ max_a Q(s_{t+1}, a; θ⁻)` held
//! constant, `r_t` where `s_{t+1}` is terminal.

use tch::{Kind, Tensor};
use troop_common::experiment::OneStepSettings;

use super::action_values::{discrete, largest, taken};
use super::{
    Behaviour, Decision, EpsilonGreedyActor, Loss, Method, MethodError, Setting, constant,
    one_step_returns, reduce,
};
use crate::model::{Network, Parameters};
use crate::segment::{Observed, Segment, to_vec};

/// The method with its network of action values.
#[derive(Debug)]
pub struct OneStepQ {
    settings: OneStepSettings,
    actor: EpsilonGreedyActor,
}

impl OneStepQ {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(settings: &OneStepSettings, setting: Setting<'_>) -> Result<Self, MethodError> {
        Ok(Self {
            settings: settings.clone(),
            actor: EpsilonGreedyActor::new(setting)?,
        })
    }

    /// `y_t`, `[B]`.
    fn targets(&self, target: &Parameters, segment: &Segment) -> Vec<f32> {
        let values = &self.actor.values;
        let at = tch::no_grad(|| values.segment(target, segment));
        let masks = segment.observations.masks();
        let v_t = largest(&at.q_t, masks.as_ref());
        let open = segment.open();
        let q_open = values.open(target, &open, &at.open_memory);
        let v_open = segment.open_values(&largest(&q_open, open.masks.as_ref()));
        one_step_returns(
            &segment.rewards,
            &to_vec(&v_t),
            &segment.ends,
            &v_open,
            self.settings.discount,
        )
    }
}

impl Method for OneStepQ {
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
        self.actor.act(online, observed, memory, behaviour)
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
    use crate::method::testing::{Game, always_random, assert_table, learn_m1, setting};

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
            let spaces = Game::spaces();
            let mut method = OneStepQ::new(&settings, setting(&experiment, &spaces)).unwrap();
            let q = learn_m1(&mut method, 32, 2000, 0.5);
            assert_table(q, [[9.9, 10.0], [11.0, 9.9]], 0.02);
        }
    }
}
