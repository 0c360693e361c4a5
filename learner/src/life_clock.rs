//! The time of one life of the learner.

use std::time::Duration;

use tokio::time::Instant;

/// Tells the time since a life of the learner began. It is tokio's clock, so that simulated time works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifeClock(Instant);

impl LifeClock {
    /// A life begins.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it began.
    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The moment at which it has been going on for so long.
    pub(crate) fn instant(self, at: Duration) -> Instant {
        self.0 + at
    }
}
