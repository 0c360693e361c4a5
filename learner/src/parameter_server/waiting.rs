//! Waits for other sessions, told while they last.

use std::time::Duration;

use prometheus::Histogram;
use tokio::time::Instant;

use super::pace::Pace;
use crate::ledger::Ledger;
use crate::ledger::journal::Occurrence;
use crate::metrics::Metrics;
use crate::policy::attention::Waits;

/// A wait counts in its histogram when it is over, and in slices of this length before: else one that
/// lasts would not be seen. Shorter than the time between two scrapes.
const SLICE: Duration = Duration::from_secs(5);

/// After each this long a wait is logged: whoever looks then should not have to guess.
const LONG: Duration = Duration::from_secs(60);

/// One session's wait for others. What has not been counted yet is counted when this is dropped.
pub(super) struct Wait<'a> {
    ledger: &'a Ledger,
    histogram: &'a Histogram,
    began: Duration,
    /// Until when it is counted.
    counted: Duration,
}

impl<'a> Wait<'a> {
    /// One that began at `began`.
    pub(super) fn since(began: Duration, ledger: &'a Ledger, histogram: &'a Histogram) -> Self {
        Self {
            ledger,
            histogram,
            began,
            counted: began,
        }
    }

    /// When to look again: at `sooner`, or when the slice is over.
    pub(super) fn next(&self, sooner: Option<Duration>) -> Instant {
        let slice = self.counted + SLICE;
        let next = sooner.map_or(slice, |sooner| sooner.min(slice));
        self.ledger.clock().instant(next)
    }

    /// Counts the slices that are over, and logs a wait that has become long.
    pub(super) fn go_on(&mut self, pace: &Pace) {
        let before = self.counted;
        let now = self.ledger.now();
        while now.saturating_sub(self.counted) >= SLICE {
            self.histogram.observe(SLICE.as_secs_f64());
            self.counted += SLICE;
        }
        let minutes = |at: Duration| at.saturating_sub(self.began).as_secs() / LONG.as_secs();
        if minutes(self.counted) > minutes(before) {
            self.warn(pace);
        }
    }

    /// If several wait, the first of them speaks.
    fn warn(&self, pace: &Pace) {
        let waits = pace.waits();
        if waits.since.is_none_or(|since| since < self.began) {
            return;
        }
        let seconds = self.counted.saturating_sub(self.began).as_secs();
        let sessions = waits.waiting;
        let occurrence = match pace.sessions_to_come() {
            0 => {
                let waited_for = self.ledger.name_all(&waits.waited_for);
                tracing::warn!(seconds, sessions, waited_for, "sessions wait for others");
                Occurrence::warning("sessions wait for others").with("waited_for", waited_for)
            }
            missing => {
                let message = "the first round waits for more sessions";
                let expected = pace.first_sessions();
                tracing::warn!(seconds, sessions, missing, expected, "{message}");
                Occurrence::warning(message).with("missing", missing)
            }
        };
        let occurrence = occurrence.with("seconds", seconds);
        self.ledger.note(occurrence.with("sessions", sessions));
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let rest = self.ledger.now().saturating_sub(self.counted);
        self.histogram.observe(rest.as_secs_f64());
    }
}

/// Shows who waits, and who is not waited for.
pub(super) fn refresh(metrics: &Metrics, waits: &Waits, now: Duration) {
    let longest = waits.since.map(|since| now.saturating_sub(since));
    metrics.sessions_waiting.set(waits.waiting as i64);
    metrics
        .longest_wait
        .set(longest.unwrap_or_default().as_secs_f64());
    metrics.sessions_silent.set(waits.silent as i64);
}
