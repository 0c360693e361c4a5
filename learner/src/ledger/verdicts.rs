//! What became of gradients.

use troop_common::bounds::DETAIL;

use super::Ledger;
use super::journal::Occurrence;
use super::update::Update;
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::lock::lock;

impl Ledger {
    /// Counts an update, before anybody can see it.
    pub(crate) fn update(&self, update: Update) {
        self.recorder.update(update);
    }

    /// Counts what became of a session's gradient; `applied` tells its staleness. The answer gives
    /// `version`, the learner's.
    pub(crate) fn answer(
        &self,
        session: SessionId,
        applied: Result<u64, Refusal>,
        version: u64,
    ) -> Outcome {
        self.count_answer(session, &applied);
        let (verdict, detail) = match applied {
            Ok(_) => (Verdict::Applied, String::new()),
            Err(Refusal { verdict, detail }) => {
                self.recorder.rejection(verdict);
                self.alarm(session, verdict, &detail);
                // Its steps count: a run whose gradients are all refused ends too.
                self.finish_if_done();
                (verdict, DETAIL.cut(&detail))
            }
        };
        Outcome {
            verdict,
            detail,
            version,
            ends_session: false,
        }
    }

    fn count_answer(&self, session: SessionId, applied: &Result<u64, Refusal>) {
        let now = self.now();
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.last_gradient_at = Some(now);
            match applied {
                Ok(staleness) => {
                    session.gradients_applied += 1;
                    session.staleness_updates = *staleness;
                }
                Err(_) => session.gradients_rejected += 1,
            }
        }
    }

    /// Notes a rejection that says that something is wrong, rather than late, and warns of it now
    /// and then.
    fn alarm(&self, session: SessionId, verdict: Verdict, detail: &str) {
        let message = match verdict {
            Verdict::NonFinite => "gradient with values that are not finite",
            Verdict::Malformed => "malformed gradient",
            _ => return,
        };
        let worker = lock(&self.sessions)
            .get_mut(session)
            .map(|session| session.worker.clone());
        let alarm = Occurrence::error(message).with("session", session);
        let alarm = alarm.with("worker", worker.as_deref());
        if self.note(alarm.with("detail", detail)) {
            tracing::warn!(session, worker, detail, "{message}");
        }
    }
}
