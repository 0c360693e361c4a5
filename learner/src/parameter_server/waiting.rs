//! Waits for other sessions, told while they last.

use std::time::Duration;

use prometheus::Histogram;
use tokio::time::Instant;

use super::ParameterServer;
use crate::ledger::journal::Occurrence;
use crate::ledger::session::SessionId;
use crate::lock::lock;
use crate::parameter_server::pace::Pace;
use crate::policy::attention::Attention;

/// A wait counts in its histogram when it is over, and in slices of this length before: else one that
/// lasts would not be seen. Shorter than the time between two scrapes.
const SLICE: Duration = Duration::from_secs(5);

/// After each this long a wait is logged: whoever looks then should not have to guess.
const LONG: Duration = Duration::from_secs(60);

/// One session's wait for others. What has not been counted yet is counted when this is dropped.
pub(super) struct Wait<'a> {
    server: &'a ParameterServer,
    histogram: &'a Histogram,
    began: Duration,
    /// Until when it is counted.
    counted: Duration,
}

impl<'a> Wait<'a> {
    /// One that began at `began`.
    pub(super) fn since(
        began: Duration,
        server: &'a ParameterServer,
        histogram: &'a Histogram,
    ) -> Self {
        Self {
            server,
            histogram,
            began,
            counted: began,
        }
    }

    /// When to look again: at `sooner`, or when the slice is over.
    pub(super) fn next(&self, sooner: Option<Duration>) -> Instant {
        let slice = self.counted + SLICE;
        self.server.started + sooner.map_or(slice, |sooner| sooner.min(slice))
    }

    /// Counts the slices that are over, and logs a wait that has become long.
    pub(super) fn go_on(&mut self, pace: &Pace) {
        let before = self.counted;
        let now = self.server.now();
        while now.saturating_sub(self.counted) >= SLICE {
            self.histogram.observe(SLICE.as_secs_f64());
            self.counted += SLICE;
        }
        let minutes = |at: Duration| at.saturating_sub(self.began).as_secs() / LONG.as_secs();
        if minutes(self.counted) > minutes(before) {
            self.warn(pace);
        }
    }

    /// Where several wait, the first of them speaks.
    fn warn(&self, pace: &Pace) {
        let waits = pace.waits();
        if waits.since.is_none_or(|since| since < self.began) {
            return;
        }
        let seconds = self.counted.saturating_sub(self.began).as_secs();
        let sessions = waits.waiting;
        let occurrence = match pace.sessions_to_come() {
            0 => {
                let waited_for = self.server.name_all(&waits.waited_for);
                tracing::warn!(seconds, sessions, waited_for, "sessions wait for others");
                Occurrence::warning("sessions wait for others").with("waited_for", waited_for)
            }
            missing => {
                let message = "the first round waits for more sessions";
                let expected = self.server.experiment.learner.synchronous_workers;
                tracing::warn!(seconds, sessions, missing, expected, "{message}");
                Occurrence::warning(message).with("missing", missing)
            }
        };
        let occurrence = occurrence.with("seconds", seconds);
        self.server.note(occurrence.with("sessions", sessions));
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let rest = self.server.now().saturating_sub(self.counted);
        self.histogram.observe(rest.as_secs_f64());
    }
}

impl ParameterServer {
    /// Says which sessions the others do not wait for any more, or again.
    pub(super) fn tell(&self, changes: Vec<Attention>) {
        for change in changes {
            match change {
                Attention::Lost(session) => self.tell_lost(session),
                Attention::Regained(session) => {
                    let worker = self.worker(session);
                    tracing::info!(session, worker, "session contributes again");
                    let occurrence = Occurrence::info("session contributes again");
                    self.note(occurrence.with("session", session).with("worker", worker));
                }
            }
        }
    }

    fn tell_lost(&self, session: SessionId) {
        let worker = self.worker(session);
        let view = lock(&self.sessions)
            .get_mut(session)
            .map(|found| found.view(session, self.now()))
            .unwrap_or_default();
        let silent_s = view.seconds_since_last_gradient.round();
        let (applied, rejected) = (view.gradients_applied, view.gradients_rejected);
        let message = "session is silent; the others wait for it no more until it contributes";
        tracing::warn!(session, worker, silent_s, applied, rejected, "{message}");
        let occurrence = Occurrence::warning(message)
            .with("session", session)
            .with("worker", worker)
            .with("seconds_since_last_gradient", silent_s);
        self.note(occurrence.with("gradients_rejected", rejected));
    }

    /// Shows who waits, and who is not waited for.
    pub(super) fn refresh_waits(&self, pace: &Pace) {
        let waits = pace.waits();
        let longest = waits.since.map(|since| self.now().saturating_sub(since));
        let metrics = self.metrics();
        metrics.sessions_waiting.set(waits.waiting as i64);
        metrics
            .longest_wait
            .set(longest.unwrap_or_default().as_secs_f64());
        metrics.sessions_silent.set(waits.silent as i64);
    }

    fn worker(&self, session: SessionId) -> String {
        let mut sessions = lock(&self.sessions);
        let found = sessions.get_mut(session);
        found.map_or_else(String::new, |found| found.worker.clone())
    }

    fn name_all(&self, sessions: &[SessionId]) -> String {
        let name = |session: &SessionId| format!("{} (session {session})", self.worker(*session));
        sessions.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}
