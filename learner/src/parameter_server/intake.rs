//! The way of a gradient that was admitted: report, step, publish, answer.

use troop_common::proto::v1;

use super::model::Model;
use super::snapshot::snapshot;
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::blocking;
use crate::ledger::{Ledger, Update};
use crate::shard::gradient::Gradient;

/// Takes gradients to the ledger and the shard, each effect in its order.
#[derive(Clone, Copy)]
pub(super) struct Intake<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) model: &'a Model,
}

impl Intake<'_> {
    /// Nothing of a report that cannot be true is counted, and its session is to end.
    pub(super) fn check_report(
        self,
        (session, gradients): (SessionId, u64),
        report: &v1::Report,
    ) -> Result<(), Outcome> {
        self.ledger
            .check_report(session, report)
            .map_err(|implausible| {
                let refusal = Refusal::new(Verdict::Malformed, implausible.to_string());
                Outcome {
                    ends_session: true,
                    ..self.answer(session, gradients, Err(refusal))
                }
            })
    }

    /// Counts a report that comes without a gradient.
    pub(super) fn report(self, session: SessionId, report: &v1::Report) -> Outcome {
        if let Err(refused) = self.check_report((session, 1), report) {
            return refused;
        }
        self.ledger.report(session, report);
        let version = self.model.shard.version();
        let checked = self.ledger.check_observations(report);
        self.ledger.reported(session, checked, version)
    }

    /// Applies a gradient, or says why not.
    pub(super) fn push(
        self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let (elements, gradients) = (gradient.values.len(), gradient.gradients);
        let applied = blocking::run(elements, || self.apply(session, &gradient, report));
        drop(gradient);
        if applied.is_err() {
            self.model.pace.pass(session, self.ledger.now());
        }
        self.answer(session, gradients, applied)
    }

    /// Gives the gradient's staleness, in updates.
    fn apply(
        self,
        session: SessionId,
        gradient: &Gradient,
        report: &v1::Report,
    ) -> Result<u64, Refusal> {
        let Self { ledger, model } = self;
        let shard = &model.shard;
        ledger.follow(gradient.lead_env_steps);
        // The step is taken at the rate of the moment at which its experience began.
        let rate = ledger.rate_at(ledger.report(session, report));
        ledger.check_observations(report)?;
        shard.check_values(gradient)?;
        let judgement = shard.judge(gradient.origin.version);
        // If all gradients are too old for the last publish no update comes that could end that.
        let judgement = judgement.inspect_err(|_| self.publish_if_due(shard.version()))?;
        shard.apply(gradient, &judgement, rate)?;
        ledger.update(Update {
            gradients: gradient.gradients,
            staleness: judgement.staleness,
            norm: gradient.mean_norm(),
        });
        self.advance();
        ledger.tell(model.pace.advance(session, ledger.now()));
        ledger.finish_if_done();
        Ok(judgement.staleness)
    }

    /// Makes an update visible that has been counted, and publishes if that is due.
    pub(super) fn advance(self) {
        self.publish_if_due(self.model.shard.advance());
    }

    fn publish_if_due(self, version: u64) {
        let snapshot = snapshot(self.ledger, version);
        self.model.shard.publish_if_due(snapshot);
    }

    /// Counts what became of a session's gradients, one or the sum of several; `applied` tells their staleness.
    pub(super) fn answer(
        self,
        session: SessionId,
        gradients: u64,
        applied: Result<u64, Refusal>,
    ) -> Outcome {
        let version = self.model.shard.version();
        self.ledger.answer(session, gradients, applied, version)
    }

    /// Ends a session.
    pub(super) fn leave(self, session: SessionId) {
        self.ledger
            .leave(session, || self.model.pace.leave(session));
    }
}
