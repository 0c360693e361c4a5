//! Networks of a policy `π(·|s)` and of values `V(s)`.

use std::sync::Arc;

use tch::Tensor;
use troop_common::experience::{OpenValues, Segment};

use super::method_error::MethodError;
use super::setting::Setting;
use crate::nn::distribution::Policy;
use crate::nn::{Head, HeadKind, Network, Observed, Outputs, Parameters, masks, to_vec};

/// A network with the policy's heads, then the value's.
#[derive(Debug)]
pub struct ActorCritic {
    policy: Policy,
    network: Arc<Network>,
}

/// What it makes of states.
#[derive(Debug)]
pub struct PolicyAndValue {
    /// What [`Policy`] takes, without the choices that are not open; `[B, …]` each.
    pub policy: Vec<Tensor>,
    /// `V(s)`, `[B]`.
    pub v: Tensor,
    /// Recurrent state after a step, `[E, S]`; of a segment behind each of its open observations,
    /// `[E + F, S]`.
    pub state: Tensor,
}

impl ActorCritic {
    /// # Errors
    /// If the model cannot take the observations.
    pub fn new(setting: &Setting<'_>) -> Result<Self, MethodError> {
        let policy = Policy::for_actions(&setting.spaces.action);
        let mut heads = policy.heads();
        heads.push(Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
            kind: HeadKind::Judges,
        });
        let model = &setting.experiment.model;
        let network = Network::new(model, &setting.spaces.observation, &heads)?;
        Ok(Self {
            policy,
            network: Arc::new(network),
        })
    }

    /// The network behind it.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The family of its policies.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// One step from the recurrent state `[E, S]`.
    pub fn step(
        &self,
        parameters: &Parameters,
        observed: &Observed,
        state: &Tensor,
    ) -> PolicyAndValue {
        let outputs = self.network.step(parameters, &observed.observations, state);
        let state = outputs.state.shallow_clone();
        self.split(outputs, observed.masks.as_ref(), state)
    }

    /// All of a segment's steps.
    pub fn segment(&self, parameters: &Parameters, segment: &Segment) -> PolicyAndValue {
        let outputs = self.network.segment(parameters, segment);
        let state = outputs.open_state();
        let masks = masks(&segment.observations);
        self.split(outputs, masks.as_ref(), state)
    }

    /// Values behind the segment's open ends, constants; `state` is what [`segment`](Self::segment) gave.
    pub fn open_values(
        &self,
        parameters: &Parameters,
        segment: &Segment,
        state: &Tensor,
    ) -> OpenValues {
        let open = Observed::open(segment);
        let open = tch::no_grad(|| self.step(parameters, &open, &state.detach()));
        segment.open_values(&to_vec(&open.v))
    }

    fn split(&self, outputs: Outputs, masks: Option<&Tensor>, state: Tensor) -> PolicyAndValue {
        let mut heads = outputs.heads;
        let v = heads.pop().map(|value| value.squeeze_dim(-1));
        PolicyAndValue {
            policy: self.policy.shut(heads, masks),
            v: v.unwrap_or_default(),
            state,
        }
    }
}
