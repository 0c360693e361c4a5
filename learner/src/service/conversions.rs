//! The learner's answers as messages of the contract.

use troop_common::proto::v1;

use crate::answers::{SessionView, Verdict};

impl From<Verdict> for v1::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Applied => Self::Applied,
            Verdict::Counted => Self::Counted,
            Verdict::Stale => Self::Stale,
            Verdict::NonFinite => Self::NonFinite,
            Verdict::Malformed => Self::Malformed,
            Verdict::Duplicate => Self::Duplicate,
            Verdict::WrongEpoch => Self::WrongEpoch,
            Verdict::Closed => Self::Closed,
            Verdict::Late => Self::Late,
        }
    }
}

impl From<SessionView> for v1::Session {
    fn from(session: SessionView) -> Self {
        let SessionView {
            session,
            worker,
            peer,
            role,
            worker_index,
            env_steps,
            gradients_applied,
            gradients_rejected,
            staleness_updates,
            seconds_since_last_gradient,
        } = session;
        Self {
            session,
            worker,
            peer,
            worker_index,
            env_steps,
            gradients_applied,
            gradients_rejected,
            staleness_updates,
            seconds_since_last_gradient,
            role: v1::Role::from(role).into(),
        }
    }
}
