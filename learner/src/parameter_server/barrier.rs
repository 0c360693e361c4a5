use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use troop_common::proto::v1;

use crate::answers::{Outcome, Refusal, SessionId};
use crate::lock::lock;
use crate::policy::round::{Part, Rounds};
use crate::shard::gradient::Gradient;

/// The open round, and those who wait for its end.
pub(crate) struct Barrier {
    pub(crate) rounds: Mutex<Rounds<RoundPart>>,
    pub(crate) changed: Notify,
    /// Sessions that the first round waits for.
    pub(crate) first_sessions: usize,
    /// Other shards take the same steps.
    pub(crate) is_over_shards: bool,
    /// The last gradients of sessions that were refused outside of rounds: other shards are to hear of it.
    pub(crate) refused: Mutex<BTreeMap<SessionId, u64>>,
}

impl Barrier {
    /// A session's gradient was refused outside of a round: what came of it at other shards must not wait for one.
    pub(crate) fn refuse(&self, session: SessionId, sequence: u64) {
        if self.is_over_shards {
            lock(&self.refused).insert(session, sequence);
            self.changed.notify_waiters();
        }
    }

    /// When one of those who wait has to end the round at the latest; none if somebody else does.
    pub(crate) fn own_deadline(&self) -> Option<Duration> {
        match self.is_over_shards {
            true => None,
            false => lock(&self.rounds).deadline(),
        }
    }
}

/// One session's part in a round.
#[derive(Debug)]
pub(crate) struct RoundPart {
    /// Its gradient, or why that is refused: then its session waits for the round's end all the same.
    pub(crate) gradient: Result<Gradient, Refusal>,
    /// How many its session stands for.
    pub(crate) gradients: u64,
    pub(crate) sequence: u64,
    pub(crate) report: v1::Report,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Part for RoundPart {
    fn is_gradient(&self) -> bool {
        self.gradient.is_ok()
    }
}
