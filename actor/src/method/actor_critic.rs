//! Networks of a policy `π(·|s)` and of values `V(s)`.

use std::sync::Arc;

use troop_common::experience::{OpenValues, Segment};

use super::loss::Loss;
use super::method_error::MethodError;
use super::setting::Setting;
use crate::nn::distribution::{BoundsPenalty, Policy, Statistics};
use crate::nn::{Head, HeadKind, Input, Model, Network, Outputs};

/// What means beyond the bounds cost, among a loss's terms.
pub(super) const BOUNDS_TERM: &str = "bounds_penalty";

/// A network with the policy's heads, then the value's.
#[derive(Debug)]
pub struct ActorCritic {
    policy: Policy,
    /// None if means may be anywhere.
    penalty: Option<BoundsPenalty>,
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
            penalty: BoundsPenalty::new(&setting.spaces.action, model),
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

    /// A loss with what means beyond the bounds of actions cost, if they do, in the rows that are learnt from, of which each has
    /// this share in the whole.
    pub fn penalized(
        &self,
        mut loss: Loss,
        of: Statistics<'_>,
        share: f64,
        learnt: Option<&[bool]>,
    ) -> Loss {
        if let (Some(penalty), [means, ..]) = (&self.penalty, of.heads) {
            let to = &mut loss.gradients.heads[0];
            let cost = penalty.descend(means, learnt, share, to);
            loss.total += share * cost.sum;
            loss.terms
                .push((BOUNDS_TERM, cost.sum / cost.rows.max(1) as f64));
        }
        loss
    }

    /// Values behind the open ends of a segment that a forward pass went through.
    pub fn open_values(&self, online: &mut dyn Model, segment: &Segment) -> OpenValues {
        let state = online.outputs().open_state();
        let outputs = online.evaluate(&Input::open(segment, state));
        segment.open_values(self.split(outputs, &[]).1)
    }
}
