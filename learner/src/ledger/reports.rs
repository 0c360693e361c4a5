//! What workers report. A report is a call of its own: it may come without a gradient.

use std::sync::Arc;

use troop_common::moments::Moments;
use troop_common::proto::v1;

use super::Ledger;
use super::evaluation_check::{self, Reached};
use super::plausibility::{Implausible, ReportPart};
use crate::answers::{Refusal, SessionId};
use crate::lock::lock;

impl Ledger {
    /// Checks whether a report can be true. One that cannot is counted as such, and nothing of it.
    pub(crate) fn check_report(
        &self,
        session: SessionId,
        report: &v1::Report,
    ) -> Result<(), Implausible> {
        let checked = self.plausibility.check(report);
        let checked = checked.and_then(|()| match report.evaluation {
            None => Ok(()),
            Some(_) => self.check_evaluation(session, report),
        });
        checked.inspect_err(|implausible| self.recorder.report_refused(implausible.part))
    }

    fn check_evaluation(&self, session: SessionId, report: &v1::Report) -> Result<(), Implausible> {
        let found = lock(&self.sessions)
            .get_mut(session)
            .map(|session| session.role);
        let reached = Reached {
            env_steps: self.recorder.steps().0,
            version: self.recorder.updates(),
        };
        let limits = self.plausibility.limits();
        evaluation_check::check(report, found.unwrap_or_default(), reached, limits)
    }

    /// Counts a message that was refused because one of its fields, `Message.field`, is beyond its
    /// bound.
    pub(crate) fn over_bound(&self, field: &str) {
        if let Some(part) = ReportPart::of_field(field) {
            self.recorder.report_refused(part);
        }
    }

    /// Counts a report; gives the env steps before it.
    pub(crate) fn report(&self, session: SessionId, report: &v1::Report) -> u64 {
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.env_steps = session.env_steps.saturating_add(report.env_steps);
        }
        self.observations.record(report);
        self.recorder.report(report, self.now())
    }

    /// Why a gradient must not be applied whose report says this of the observations that it was
    /// computed on.
    pub(crate) fn check_observations(&self, report: &v1::Report) -> Result<(), Refusal> {
        self.observations.check(report)
    }

    /// Moments of all observations reported so far, if they are normalised.
    pub(crate) fn observations(&self) -> Option<Arc<Moments>> {
        self.observations.newest()
    }
}
