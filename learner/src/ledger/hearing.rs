//! Who has heard how the run ended.

use super::Ledger;
use super::audience::{Audience, Member};
use crate::answers::{ReplayIntroduction, SessionId};
use crate::lock::lock;

impl Ledger {
    /// The worker of a session has said goodbye, or knows that it cannot go on: nobody misses it once it has left.
    pub(crate) fn heard(&self, session: SessionId) {
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.heard = true;
        }
    }

    /// Somebody has come.
    pub(super) fn came(&self, member: Member) {
        self.audience.send_modify(|audience| audience.came(member));
    }

    /// Somebody has gone; whether it has `heard` why, or said goodbye, or may call again.
    pub(super) fn gone(&self, member: &Member, heard: bool) {
        let (now, patience) = (self.now(), self.patience);
        self.audience.send_modify(|audience| match heard {
            true => audience.left(member),
            false => audience.lost(member, now, patience),
        });
    }

    /// Somebody called and was refused because this life of the run is over; if the run is, it knows now.
    pub(super) fn refused(&self, member: &Member) {
        if self.life.is_finished() {
            self.audience.send_modify(|audience| audience.told(member));
        }
    }

    /// The same of a replay.
    pub(super) fn refused_replay(&self, replay: &ReplayIntroduction) {
        let index = lock(&self.replays).index_for(replay);
        if let Some(index) = index {
            self.refused(&Member::Replay(index));
        }
    }

    /// How many have still to hear how the run ended.
    pub(crate) fn unheard(&self) -> usize {
        self.audience.borrow().missing(self.now(), self.patience)
    }

    /// Completes once everybody has heard how the run ended.
    pub(crate) async fn all_have_heard(&self) {
        let mut audience = self.audience.subscribe();
        let is_complete = |audience: &Audience| audience.missing(self.now(), self.patience) == 0;
        // The sender lives as long as this.
        let _ = audience.wait_for(is_complete).await;
    }
}
