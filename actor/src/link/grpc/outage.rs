use std::time::Duration;

use tokio::time::Instant;

/// How long the learner has been away, and whether anybody was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// When the learner was last there, or was looked for first.
    since: Instant,
    told: bool,
}

impl Outage {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            told: false,
        }
    }

    /// Whether this is the first thing to be said about this outage.
    pub(super) fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Whether somebody was told.
    pub(super) fn was_told(&self) -> bool {
        self.told
    }

    /// What is left of `limit`; none where the learner has been away for longer.
    pub(super) fn left_of(&self, limit: Duration) -> Option<Duration> {
        limit
            .checked_sub(self.since.elapsed())
            .filter(|left| !left.is_zero())
    }
}
