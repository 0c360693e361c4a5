//! What comes from workers while they train: gradients and reports.

use troop_common::proto::v1;

use super::ParameterServer;
use super::intake::Intake;
use super::model::Model;
use super::pace::Pace;
use super::rounds::RoundIntake;
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::shard::gradient::Gradient;

impl ParameterServer {
    /// Admits a gradient and applies it, or says why not; in the synchronous mode once its round
    /// is over. What `report` tells is counted unless the gradient is a duplicate, belongs to
    /// another life of the run, or comes when the learner is closed; or it cannot be true.
    ///
    /// If the future is dropped while it waits for the round, the session leaves: nobody waits
    /// for it, and its gradient is not applied.
    pub async fn push(
        &self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let sequence = gradient.origin.sequence;
        let outcome = self.take(session, gradient, report).await;
        self.passed(session, sequence);
        outcome
    }

    async fn take(&self, session: SessionId, gradient: Gradient, report: &v1::Report) -> Outcome {
        let intake = match self.admit(session, &gradient) {
            Ok(intake) => intake,
            Err(refusal) => {
                self.refuse_in_rounds(session, gradient.origin.sequence);
                return self.refuse(session, gradient.gradients, refusal);
            }
        };
        if let Err(refused) = intake.check_report((session, gradient.gradients), report) {
            return refused;
        }
        match &intake.model.pace {
            Pace::Synchronous(barrier) => {
                let round = RoundIntake { intake, barrier };
                round.push(session, gradient, report).await
            }
            Pace::Told(barrier) => {
                self.push_to_told_round(intake, barrier, (session, gradient), report)
                    .await
            }
            Pace::Free | Pace::Bound(_) => intake.push(session, gradient, report),
        }
    }

    /// Counts a report that comes without a gradient, of a worker that acts or evaluates only. Its number,
    /// `sequence`, counts up with those of the session's gradients. An evaluation counts also once the run is over.
    pub fn report(
        &self,
        session: SessionId,
        epoch: u64,
        sequence: u64,
        report: &v1::Report,
    ) -> Outcome {
        let is_open = match report.evaluation {
            // One with the weights that the run ended with.
            Some(_) if self.ledger.life().is_finished() => Ok(()),
            _ => self.ledger.life().refuse_if_closed(),
        };
        let admitted = is_open.and_then(|()| self.made_model()).and_then(|model| {
            self.ledger.admit(session, epoch, sequence)?;
            Ok(self.intake(model))
        });
        match admitted {
            Ok(intake) => intake.report(session, report),
            Err(refusal) => self.refuse(session, 1, refusal),
        }
    }

    /// Counts gradient `sequence`, which did not even arrive whole; `detail` says what was wrong.
    pub fn malformed(&self, session: SessionId, sequence: u64, detail: String) -> Outcome {
        self.passed(session, sequence);
        self.refuse_in_rounds(session, sequence);
        self.refuse(session, 1, Refusal::new(Verdict::Malformed, detail))
    }

    fn refuse_in_rounds(&self, session: SessionId, sequence: u64) {
        if let Some(model) = self.model.get() {
            model.pace.refuse(session, sequence);
        }
    }

    fn refuse(&self, session: SessionId, gradients: u64, refusal: Refusal) -> Outcome {
        if let Some(model) = self.model.get() {
            model.pace.pass(session, self.ledger.now());
        }
        self.ledger
            .answer(session, gradients, Err(refusal), self.version())
    }

    /// Checks who sent a gradient and what for.
    fn admit(&self, session: SessionId, gradient: &Gradient) -> Result<Intake<'_>, Refusal> {
        let model = self.opened_model()?;
        model.shard.check_elements(gradient)?;
        let origin = gradient.origin;
        self.ledger.admit(session, origin.epoch, origin.sequence)?;
        Ok(self.intake(model))
    }

    fn opened_model(&self) -> Result<&Model, Refusal> {
        self.ledger.life().refuse_if_closed()?;
        self.ledger.refuse_beyond_the_end()?;
        self.made_model()
    }

    fn made_model(&self) -> Result<&Model, Refusal> {
        self.model.get().ok_or_else(|| {
            let detail = "the session sent something before it opened";
            Refusal::new(Verdict::Malformed, detail)
        })
    }

    pub(super) fn intake<'a>(&'a self, model: &'a Model) -> Intake<'a> {
        let ledger = &self.ledger;
        Intake { ledger, model }
    }
}
