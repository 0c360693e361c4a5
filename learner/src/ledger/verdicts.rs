//! What became of gradients.

use troop_common::bounds::DETAIL;

use super::Ledger;
use super::journal::Occurrence;
use super::update::Update;
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::lock::lock;

/// A session whose gradients were not finite so many times in a row ends. A bad batch gives one, and a
/// spike of the weights a few until the next updates have taken it back: each gradient is computed on
/// newer weights than the one before. An actor ends by itself after a hundred such losses, and names
/// the loss: this is for who does not.
pub(crate) const NON_FINITE_IN_A_ROW: u32 = 128;

impl Ledger {
    /// Counts an update, before anybody can see it.
    pub(crate) fn update(&self, update: Update) {
        self.recorder.update(update);
    }

    /// Counts what became of a session's gradients, one or the sum of several; `applied` tells their staleness. The
    /// answer gives `version`, the learner's.
    pub(crate) fn answer(
        &self,
        session: SessionId,
        gradients: u64,
        applied: Result<u64, Refusal>,
        version: u64,
    ) -> Outcome {
        let in_a_row = self.count_answer(session, gradients, &applied);
        let Err(Refusal { verdict, detail }) = applied else {
            return Outcome {
                verdict: Verdict::Applied,
                detail: String::new(),
                version,
                ends_session: false,
            };
        };
        self.recorder.rejection(verdict, gradients);
        self.alarm(session, verdict, &detail);
        let ends_session = verdict == Verdict::NonFinite && in_a_row >= NON_FINITE_IN_A_ROW;
        let detail = match ends_session {
            true => self.end_of_patience(session, &detail),
            false => detail,
        };
        // Its steps count: a run whose gradients are all refused ends too.
        self.finish_if_done();
        Outcome {
            verdict,
            detail: DETAIL.cut(&detail),
            version,
            ends_session,
        }
    }

    /// Says what became of a report that came without a gradient and was counted; `checked` tells
    /// whether its observations can be.
    pub(crate) fn reported(
        &self,
        session: SessionId,
        checked: Result<(), Refusal>,
        version: u64,
    ) -> Outcome {
        if checked.is_err() {
            return self.answer(session, 1, checked.map(|()| 0), version);
        }
        self.finish_if_done();
        Outcome {
            verdict: Verdict::Counted,
            detail: String::new(),
            version,
            ends_session: false,
        }
    }

    /// Gives how many of the session's gradients in a row were not finite.
    fn count_answer(
        &self,
        session: SessionId,
        gradients: u64,
        applied: &Result<u64, Refusal>,
    ) -> u32 {
        let now = self.now();
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(session) else {
            return 0;
        };
        session.last_gradient_at = Some(now);
        match applied {
            Ok(staleness) => {
                session.gradients_applied += gradients;
                session.staleness_updates = *staleness;
                session.non_finite_in_a_row = 0;
            }
            Err(refusal) => {
                session.gradients_rejected += gradients;
                session.non_finite_in_a_row += u32::from(refusal.verdict == Verdict::NonFinite);
            }
        }
        session.non_finite_in_a_row
    }

    /// Notes that a session ends because nothing finite comes from it; gives what its worker is told.
    fn end_of_patience(&self, session: SessionId, detail: &str) -> String {
        let worker = lock(&self.sessions)
            .get_mut(session)
            .map(|session| session.worker.clone());
        let message = "session ended: its gradients are not finite";
        tracing::error!(
            session,
            worker,
            in_a_row = NON_FINITE_IN_A_ROW,
            detail,
            "{message}"
        );
        let end = Occurrence::error(message).with("session", session);
        let end = end.with("worker", worker.as_deref());
        self.note(end.with("in_a_row", NON_FINITE_IN_A_ROW));
        format!(
            "{detail}, {NON_FINITE_IN_A_ROW} times in a row: the session ends. Its network or its \
             environment gives values that are not finite; look at the worker's log, and at \
             optimizer.learning_rate and optimizer.max_gradient_norm"
        )
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
