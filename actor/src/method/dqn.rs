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
use tch::{Kind, Reduction, Tensor};
use troop_common::experience::{ObservationBuffer, Transitions};
use troop_common::experiment::DqnSettings;

use super::action_values::{ActionValues, largest, taken};
use super::batch::Batch;
use super::loss::{Loss, constant};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::outliers::Outliers;
use super::setting::Setting;
use super::transition_memory::TransitionMemory;
use super::value_method::of_action_values;
use crate::nn::distribution::masked;
use crate::nn::{Parameters, masks, observations, to_vec};

/// What it descends.
#[derive(Debug)]
pub struct Dqn {
    settings: DqnSettings,
    values: Arc<ActionValues>,
    outliers: Outliers,
}

/// The loss of a batch.
struct BatchLoss {
    /// `mean_i w_i h(δ_i)`.
    total: Tensor,
    /// `h(δ_i)`, `[B]`.
    unweighted: Tensor,
    /// `Q(s_i, a_i; θ)`, `[B]`.
    q_taken: Tensor,
    /// `δ_i`, `[B]`.
    td_errors: Tensor,
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
        let parts = of_action_values(setting, |values| Self::new(settings, values))?;
        Ok(MethodParts {
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

    /// `Q(s, ·)`, `[B, A]`.
    fn q(&self, parameters: &Parameters, shown: &ObservationBuffer) -> Tensor {
        self.values.stateless(parameters, &observations(shown))
    }

    /// What the value behind each transition is worth, `[B]`, by the target network.
    fn v_next(&self, online: &Parameters, target: &Parameters, batch: &Transitions) -> Tensor {
        let masks = masks(&batch.next_observations);
        let q_next = self.q(target, &batch.next_observations);
        if !self.settings.double_q {
            return largest(&q_next, masks.as_ref());
        }
        let q_online = self.q(online, &batch.next_observations);
        let chosen = masked(&q_online, masks.as_ref()).argmax(-1, true);
        q_next.gather(-1, &chosen, false).squeeze_dim(-1)
    }

    /// `y_i`, `[B]`, a constant.
    fn targets(&self, online: &Parameters, target: &Parameters, batch: &Transitions) -> Tensor {
        let v_next = tch::no_grad(|| self.v_next(online, target, batch));
        let returns = constant(&batch.rewards, online.kind());
        let discounts = constant(&batch.discounts, online.kind());
        // 0 · ∞ would not be 0 if nothing comes behind.
        returns + (&discounts * v_next).masked_fill(&discounts.eq(0.0), 0.0)
    }

    fn batch_loss(
        &self,
        online: &Parameters,
        target: &Parameters,
        batch: &Transitions,
    ) -> BatchLoss {
        let y = self.targets(online, target, batch);
        let q_taken = taken(&self.q(online, &batch.observations), &batch.actions);
        let unweighted = match self.settings.td_error_clip {
            Some(clip) => q_taken.huber_loss(&y, Reduction::None, clip),
            None => (&y - &q_taken).square() * 0.5,
        };
        let weights = constant(&batch.weights, online.kind());
        BatchLoss {
            total: (weights * &unweighted).mean(None::<Kind>),
            td_errors: y - q_taken.detach(),
            unweighted: unweighted.detach(),
            q_taken: q_taken.detach(),
        }
    }
}

impl Objective for Dqn {
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let loss = self.batch_loss(networks.online, networks.target()?, batch.transitions()?);
        let absolute = loss.total.detach().abs().to_kind(Kind::Double);
        Ok(Loss {
            is_withheld: !self.outliers.admits(absolute.double_value(&[])),
            td_errors: to_vec(&loss.td_errors),
            total: loss.total,
            terms: vec![
                ("value", loss.unweighted.mean(None::<Kind>)),
                ("q", loss.q_taken.mean(None::<Kind>)),
            ],
        })
    }
}

#[cfg(test)]
#[path = "dqn_tests.rs"]
mod tests;
