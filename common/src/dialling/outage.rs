use std::time::Duration;

use tokio::time::Instant;

/// How long a service has been away, and whether anybody was told.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// When it was last there, or was looked for first.
    since: Instant,
    told: bool,
}

impl Outage {
    /// It begins now.
    #[allow(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            told: false,
        }
    }

    /// Whether this is the first thing to be said about this outage.
    pub fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Whether somebody was told.
    pub fn was_told(&self) -> bool {
        self.told
    }

    /// What is left of `limit`; none where it has been away for longer.
    pub fn left_of(&self, limit: Duration) -> Option<Duration> {
        limit
            .checked_sub(self.since.elapsed())
            .filter(|left| !left.is_zero())
    }
}
