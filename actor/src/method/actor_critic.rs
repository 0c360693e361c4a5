//! Networks of a policy `π(·|s)` and of values `V(s)`.

use std::sync::Arc;

use troop_common::experience::{OpenValues, Segment};

use super::method_error::MethodError;
use super::setting::Setting;
use crate::nn::distribution::{Policy, Statistics};
use crate::nn::{Head, HeadKind, Input, Model, Network, Outputs};

/// A network with the policy's heads, then the value's.
#[derive(Debug)]
pub struct ActorCritic {
    policy: Policy,
    network: Arc<Network>,
}

impl ActorCritic {
    /// # Errors
    /// If the model cannot take the observations.
    pub fn new(setting: &Setting<'_>) -> Result<Self, MethodError> {
        let model = &setting.experiment.model;
        let policy = Policy::for_actions(&setting.spaces.action, model);
        let mut heads = policy.heads();
        heads.push(Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
            kind: HeadKind::Judges,
        });
        let network = Network::new(model, setting.spaces, &heads)?;
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

    /// What the policy's heads gave, and `V(s)`, `[B]`. `masks` are those of the observations.
    pub fn split<'a>(
        &self,
        outputs: &'a Outputs,
        masks: &'a [bool],
    ) -> (Statistics<'a>, &'a [f32]) {
        let Some((v, heads)) = outputs.heads.split_last() else {
            panic!("the network has a head for values")
        };
        (Statistics { heads, masks }, v)
    }

    /// Values behind the open ends of a segment that a forward pass went through.
    pub fn open_values(&self, online: &mut dyn Model, segment: &Segment) -> OpenValues {
        let state = online.outputs().open_state();
        let outputs = online.evaluate(&Input::open(segment, state));
        segment.open_values(self.split(outputs, &[]).1)
    }
}
