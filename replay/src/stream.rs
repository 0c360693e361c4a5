use std::collections::VecDeque;

use troop_common::experience::{Actions, End};

use crate::observation_id::ObservationId;

/// Consecutive steps of one environment.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) steps: VecDeque<Step>,
    /// What the environment showed after the last step.
    pub(crate) newest: Option<Shown>,
}

#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: ObservationId,
    /// Which choices are open, if the environment says so.
    pub(crate) mask: Option<Box<[bool]>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// `s_t`
    pub(crate) shown: Shown,
    /// `a_t`, of one environment.
    pub(crate) action: Actions,
    /// μ, statistics of the policy that drew it.
    pub(crate) behaviour: Box<[f32]>,
    pub(crate) reward: f32,
    pub(crate) end: End,
    /// The final observation, if the episode was truncated.
    pub(crate) last: Option<Shown>,
    /// Version of the weights that acted.
    pub(crate) version: u64,
}

/// Bytes of a step beside its observation, about: of what it points to as well.
pub(crate) const STEP_BYTES: usize = size_of::<Step>() + 64;

impl Stream {
    /// Stretches of `t_max` steps, by where they start.
    pub(crate) fn starts(&self, t_max: usize) -> usize {
        (self.steps.len() + 1).saturating_sub(t_max)
    }

    /// What was shown before step `index`.
    pub(crate) fn shown_at(&self, index: usize) -> Option<&Shown> {
        match self.steps.get(index) {
            Some(step) => Some(&step.shown),
            None => self.newest.as_ref(),
        }
    }
}
