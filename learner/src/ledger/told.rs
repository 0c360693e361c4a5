//! Who is waited for, told to people.

use super::Ledger;
use super::journal::Occurrence;
use crate::answers::SessionId;
use crate::lock::lock;
use crate::policy::attention::Attention;

impl Ledger {
    /// Says which sessions the others do not wait for any more, or again.
    pub(crate) fn tell(&self, changes: impl IntoIterator<Item = Attention>) {
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
        let now = self.now();
        let found = lock(&self.sessions).get_mut(session).cloned();
        let found = found.unwrap_or_default().view(session, now);
        let silent_s = found.seconds_since_last_gradient.round();
        let (applied, rejected) = (found.gradients_applied, found.gradients_rejected);
        let message = "session is silent; the others wait for it no more until it contributes";
        tracing::warn!(session, worker, silent_s, applied, rejected, "{message}");
        let occurrence = Occurrence::warning(message)
            .with("session", session)
            .with("worker", worker)
            .with("seconds_since_last_gradient", silent_s);
        self.note(occurrence.with("gradients_rejected", rejected));
    }

    /// Names sessions by their workers.
    pub(crate) fn name_all(&self, sessions: &[SessionId]) -> String {
        let name = |session: &SessionId| format!("{} (session {session})", self.worker(*session));
        sessions.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn worker(&self, session: SessionId) -> String {
        let mut sessions = lock(&self.sessions);
        let found = sessions.get_mut(session);
        found.map_or_else(String::new, |found| found.worker.clone())
    }
}
