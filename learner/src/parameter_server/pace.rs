//! How sessions wait for each other, if the staleness policy says that they do.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use troop_common::experiment::{LearnerSettings, StalenessPolicy};

use super::barrier::Barrier;
use super::told_barrier::ToldBarrier;
use crate::answers::SessionId;
use crate::ledger::Ledger;
use crate::lock::lock;
use crate::policy::attention::{Attention, Waits};
use crate::policy::bound::SessionClocks;
use crate::policy::round::{RoundSettings, Rounds};

/// Who waits for whom.
pub(crate) enum Pace {
    /// Nobody waits.
    Free,
    /// The fast wait for the slow.
    Bound(Turns),
    /// All wait for all.
    Synchronous(Barrier),
    /// All wait for all, as the lead tells.
    Told(ToldBarrier),
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

impl Pace {
    /// What `settings` ask of `shard`, in a life that begins at `version`.
    pub(crate) fn new(settings: &LearnerSettings, shard: usize, version: u64) -> Self {
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
            StalenessPolicy::Synchronous if shard > 0 => Self::Told(ToldBarrier::new(version)),
            StalenessPolicy::Synchronous => {
                let rounds = RoundSettings {
                    first_sessions: settings.synchronous_workers,
                    straggler_timeout,
                };
                Self::Synchronous(Barrier {
                    rounds: Mutex::new(Rounds::new(rounds, version)),
                    changed: Notify::new(),
                    first_sessions: settings.synchronous_workers,
                    is_over_shards: settings.shards > 1,
                    refused: Mutex::default(),
                })
            }
        }
    }

    /// A session opens.
    pub(crate) fn open(&self, session: SessionId, now: Duration) {
        match self {
            Self::Free | Self::Told(_) => {}
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
            Self::Free | Self::Told(_) => {}
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
            Self::Free | Self::Told(_) => {}
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

    /// A session's gradient was refused before its round could hear of it.
    pub(crate) fn refuse(&self, session: SessionId, sequence: u64) {
        if let Self::Synchronous(barrier) = self {
            barrier.refuse(session, sequence);
        }
    }

    /// Who waits for whom.
    pub(crate) fn waits(&self) -> Waits {
        match self {
            Self::Free | Self::Told(_) => Waits::default(),
            Self::Bound(turns) => lock(&turns.clocks).waits(),
            Self::Synchronous(barrier) => lock(&barrier.rounds).waits(),
        }
    }

    /// Sessions that must open before there can be an update.
    pub(crate) fn sessions_to_come(&self) -> usize {
        match self {
            Self::Free | Self::Bound(_) | Self::Told(_) => 0,
            Self::Synchronous(barrier) => lock(&barrier.rounds).sessions_to_come(),
        }
    }

    /// Sessions that the first round waits for; 0 if there are no rounds.
    pub(crate) fn first_sessions(&self) -> usize {
        match self {
            Self::Free | Self::Bound(_) | Self::Told(_) => 0,
            Self::Synchronous(barrier) => barrier.first_sessions,
        }
    }
}
