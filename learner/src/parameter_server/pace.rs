//! How sessions wait for each other, if the staleness policy says that they do.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use troop_common::experiment::{LearnerSettings, StalenessPolicy};
use troop_common::proto::v1;

use crate::answers::{Outcome, Refusal, SessionId};
use crate::ledger::Ledger;
use crate::lock::lock;
use crate::policy::attention::{Attention, Waits};
use crate::policy::bound::SessionClocks;
use crate::policy::round::{Part, RoundSettings, Rounds};
use crate::shard::gradient::Gradient;

/// Who waits for whom.
pub(crate) enum Pace {
    /// Nobody waits.
    Free,
    /// The fast wait for the slow.
    Bound(Turns),
    /// All wait for all.
    Synchronous(Barrier),
}

/// Sessions' clocks, and those who wait for their turn.
pub(crate) struct Turns {
    pub(crate) clocks: Mutex<SessionClocks>,
    pub(crate) changed: Notify,
}

/// A session that waits for its turn, for as long as this is there.
pub(crate) struct WaitingForTurn<'a> {
    turns: &'a Turns,
    session: SessionId,
    ledger: &'a Ledger,
}

impl Turns {
    /// `session` waits from `now` on, as the ledger's clock tells it.
    pub(crate) fn wait<'a>(
        &'a self,
        session: SessionId,
        now: Duration,
        ledger: &'a Ledger,
    ) -> WaitingForTurn<'a> {
        lock(&self.clocks).begin_waiting(session, now);
        WaitingForTurn {
            turns: self,
            session,
            ledger,
        }
    }
}

impl Drop for WaitingForTurn<'_> {
    fn drop(&mut self) {
        let now = self.ledger.now();
        lock(&self.turns.clocks).end_waiting(self.session, now);
    }
}

/// The open round, and those who wait for its end.
pub(crate) struct Barrier {
    pub(crate) rounds: Mutex<Rounds<RoundPart>>,
    pub(crate) changed: Notify,
    /// Sessions that the first round waits for.
    pub(crate) first_sessions: usize,
}

/// One session's part in a round.
#[derive(Debug)]
pub(crate) struct RoundPart {
    /// Its gradient, or why that is refused: then its session waits for the round's end all the same.
    pub(crate) gradient: Result<Gradient, Refusal>,
    /// How many its session stands for.
    pub(crate) gradients: u64,
    pub(crate) report: v1::Report,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Part for RoundPart {
    fn is_gradient(&self) -> bool {
        self.gradient.is_ok()
    }
}

impl Pace {
    /// What `settings` ask for, in a life that begins at `version`.
    pub(crate) fn new(settings: &LearnerSettings, version: u64) -> Self {
        let straggler_timeout = settings.straggler_timeout_ms.map(Duration::from_millis);
        match settings.staleness {
            StalenessPolicy::Accept
            | StalenessPolicy::Drop
            | StalenessPolicy::Scale
            | StalenessPolicy::Compensate => Self::Free,
            StalenessPolicy::Bound => Self::Bound(Turns {
                clocks: Mutex::new(SessionClocks::new(
                    settings.bound_updates,
                    straggler_timeout,
                )),
                changed: Notify::new(),
            }),
            StalenessPolicy::Synchronous => {
                let rounds = RoundSettings {
                    first_sessions: settings.synchronous_workers,
                    straggler_timeout,
                };
                Self::Synchronous(Barrier {
                    rounds: Mutex::new(Rounds::new(rounds, version)),
                    changed: Notify::new(),
                    first_sessions: settings.synchronous_workers,
                })
            }
        }
    }

    /// A session opens.
    pub(crate) fn open(&self, session: SessionId, now: Duration) {
        match self {
            Self::Free => {}
            Self::Bound(turns) => lock(&turns.clocks).open(session, now),
            Self::Synchronous(barrier) => {
                lock(&barrier.rounds).open(session, now);
                barrier.changed.notify_waiters();
            }
        }
    }

    /// A session leaves: nobody waits for it any more.
    pub(crate) fn leave(&self, session: SessionId) {
        match self {
            Self::Free => {}
            Self::Bound(turns) => {
                if lock(&turns.clocks).leave(session) {
                    turns.changed.notify_waiters();
                }
            }
            Self::Synchronous(barrier) => {
                let withdrawn = lock(&barrier.rounds).leave(session);
                drop(withdrawn);
                barrier.changed.notify_waiters();
            }
        }
    }

    /// A gradient of `session` was applied at `now`. Gives whether it is waited for again.
    pub(crate) fn advance(&self, session: SessionId, now: Duration) -> Option<Attention> {
        let Self::Bound(turns) = self else {
            return None;
        };
        let advance = lock(&turns.clocks).advance(session, now);
        if advance.others_may_go_on {
            turns.changed.notify_waiters();
        }
        advance.regained.then_some(Attention::Regained(session))
    }

    /// A gradient of `session` was refused at `now`. That spends its turn: who sends nothing that
    /// counts must not stop the others.
    pub(crate) fn pass(&self, session: SessionId, now: Duration) {
        match self {
            Self::Free => {}
            Self::Bound(turns) => {
                if lock(&turns.clocks).pass(session, now) {
                    turns.changed.notify_waiters();
                }
            }
            Self::Synchronous(barrier) => {
                lock(&barrier.rounds).pass(session);
                barrier.changed.notify_waiters();
            }
        }
    }

    /// Who waits for whom.
    pub(crate) fn waits(&self) -> Waits {
        match self {
            Self::Free => Waits::default(),
            Self::Bound(turns) => lock(&turns.clocks).waits(),
            Self::Synchronous(barrier) => lock(&barrier.rounds).waits(),
        }
    }

    /// Sessions that must open before there can be an update.
    pub(crate) fn sessions_to_come(&self) -> usize {
        match self {
            Self::Free | Self::Bound(_) => 0,
            Self::Synchronous(barrier) => lock(&barrier.rounds).sessions_to_come(),
        }
    }

    /// Sessions that the first round waits for; 0 if there are no rounds.
    pub(crate) fn first_sessions(&self) -> usize {
        match self {
            Self::Free | Self::Bound(_) => 0,
            Self::Synchronous(barrier) => barrier.first_sessions,
        }
    }
}
