//! A session's turn, and room for its gradient.

use std::pin::pin;

use tokio::time::sleep_until;

use super::intake::Intake;
use super::pace::{Pace, Turns};
use super::waiting::Wait;
use crate::answers::SessionId;
use crate::lock::lock;
use crate::shard::budget::Room;

impl Intake<'_> {
    /// Room for the next gradient of a session.
    pub(super) async fn room(self) -> Room {
        let Self { ledger, model } = self;
        let budget = model.shard.budget();
        if let Some(room) = budget.try_take() {
            return room;
        }
        let mut wait = Wait::since(ledger.now(), ledger, &ledger.metrics().buffer_wait);
        let mut taken = pin!(budget.take());
        loop {
            tokio::select! {
                biased;
                room = &mut taken => return room,
                () = sleep_until(wait.next(None)) => wait.go_on(&model.pace),
            }
        }
    }

    /// Waits until a session may begin another gradient, or the learner closes. Gives the version
    /// that it should be computed on at least; none if nobody waits for anybody.
    pub(super) async fn turn(self, session: SessionId) -> Option<u64> {
        let Pace::Bound(turns) = &self.model.pace else {
            return None;
        };
        self.wait_for_turn(turns, session).await;
        Some(self.model.shard.newest_publish())
    }

    async fn wait_for_turn(self, turns: &Turns, session: SessionId) {
        if lock(&turns.clocks).may_go_on(session) {
            return;
        }
        let Self { ledger, model } = self;
        let began = ledger.now();
        let mut wait = Wait::since(began, ledger, &ledger.metrics().turn_wait);
        let _waiting = turns.wait(session, began, ledger);
        loop {
            // Made before it is looked again, so that no change is missed.
            let changed = turns.changed.notified();
            let given_up = lock(&turns.clocks).give_up(ledger.now());
            if !given_up.is_empty() {
                turns.changed.notify_waiters();
                ledger.tell(given_up);
            }
            let next = {
                let clocks = lock(&turns.clocks);
                if clocks.may_go_on(session) || !ledger.life().is_running() {
                    return;
                }
                clocks.next_given_up()
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = ledger.life().closed() => {}
                () = sleep_until(wait.next(next)) => wait.go_on(&model.pace),
            }
        }
    }
}
