//! Networks of action values `Q(s, ·)`.

use std::sync::Arc;

use tch::{Kind, Tensor};
use troop_common::experience::{Actions, Segment};
use troop_common::spaces::ActionSpace;

use super::method_error::MethodError;
use super::setting::Setting;
use crate::nn::distribution::masked;
use crate::nn::{Head, HeadKind, Network, Observed, Outputs, Parameters};

/// A network of `Q(s, ·)`; with `model.dueling` it is `V + A − mean A` (Wang et al. 2016, eq. 9).
#[derive(Debug)]
pub struct ActionValues {
    network: Arc<Network>,
    actions: usize,
}

/// Values of a segment.
#[derive(Debug)]
pub struct SegmentValues {
    /// `Q(s_t, ·)`, `[T·E, A]`.
    pub q_t: Tensor,
    /// Recurrent state behind each of the segment's open observations, `[E + F, S]`.
    pub open_state: Tensor,
}

impl ActionValues {
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn new(setting: &Setting<'_>) -> Result<Self, MethodError> {
        let ActionSpace::Discrete { n } = setting.spaces.action else {
            return Err(MethodError::NeedsDiscreteActions {
                method: setting.experiment.method.name(),
                found: format!("{:?}", setting.spaces.action),
            });
        };
        let model = &setting.experiment.model;
        let head = |name, outputs| Head {
            name,
            outputs,
            gain: 1.0,
            kind: HeadKind::Acts,
        };
        let heads = match model.dueling {
            true => vec![head("advantage", n), head("value", 1)],
            false => vec![head("q", n)],
        };
        let network = Network::new(model, &setting.spaces.observation, &heads)?;
        Ok(Self {
            network: Arc::new(network),
            actions: n,
        })
    }

    /// The network behind them.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Number of actions, `A`.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// `Q(s, ·)` `[E, A]` of one step from the recurrent state `[E, S]`, and the state after it.
    pub fn step(
        &self,
        parameters: &Parameters,
        observations: &Tensor,
        state: &Tensor,
    ) -> (Tensor, Tensor) {
        let outputs = self.network.step(parameters, observations, state);
        (values(&outputs), outputs.state)
    }

    /// `Q(s, ·)` of observations `[B, …]` of a network without recurrent state, `[B, A]`.
    ///
    /// # Panics
    /// If it has an LSTM.
    pub fn stateless(&self, parameters: &Parameters, observations: &Tensor) -> Tensor {
        values(&self.network.stateless(parameters, observations))
    }

    /// `Q(s_t, ·)` of all of a segment's steps.
    pub fn segment(&self, parameters: &Parameters, segment: &Segment) -> SegmentValues {
        let outputs = self.network.segment(parameters, segment);
        SegmentValues {
            q_t: values(&outputs),
            open_state: outputs.open_state(),
        }
    }

    /// `Q(s, ·)` of a segment's open observations by the same parameters, `[E + F, A]`, a constant.
    /// `open_state` is what [`segment`](Self::segment) gave; without an LSTM any will do.
    pub fn open(&self, parameters: &Parameters, open: &Observed, open_state: &Tensor) -> Tensor {
        tch::no_grad(|| self.step(parameters, &open.observations, open_state).0)
    }

    /// Recurrent state behind a segment's open observations by these parameters, `[E + F, S]`, for
    /// who needs nothing else of them: costs nothing without an LSTM.
    pub fn open_state(&self, parameters: &Parameters, segment: &Segment) -> Tensor {
        if self.network.state_len() == 0 {
            let none = (parameters.kind(), tch::Device::Cpu);
            return Tensor::zeros([segment.open_len() as i64, 0], none);
        }
        tch::no_grad(|| self.segment(parameters, segment).open_state)
    }
}

fn values(outputs: &Outputs) -> Tensor {
    match &outputs.heads[..] {
        [advantage, value] => {
            value + advantage - advantage.mean_dim([-1_i64].as_slice(), true, None::<Kind>)
        }
        heads => heads[0].shallow_clone(),
    }
}

/// `max_a Q(s, a)` over the open actions, `[B]`.
pub(super) fn largest(q: &Tensor, masks: Option<&Tensor>) -> Tensor {
    masked(q, masks).amax([-1_i64].as_slice(), false)
}

/// `Q(s, a)` of one action a row, `[B]`.
pub(super) fn taken(q: &Tensor, actions: &[i64]) -> Tensor {
    let index = Tensor::from_slice(actions).unsqueeze(-1);
    q.gather(-1, &index, false).squeeze_dim(-1)
}

/// Actions, `[B]`.
///
/// # Panics
/// If they are not discrete.
pub(super) fn discrete(actions: &Actions) -> &[i64] {
    match actions {
        Actions::Discrete(actions) => actions,
        other => panic!("expected discrete actions, found {other:?}"),
    }
}
