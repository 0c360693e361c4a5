//! The way of a gradient: room for it, admission, its step, the publish after it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep_until;
use troop_common::bounds::DETAIL;
use troop_common::moments::Moments;
use troop_common::proto::v1::{self, Verdict};
use troop_common::wire::Elements;

use super::ParameterServer;
use super::waiting::Wait;
use crate::answers::{Outcome, Phase};
use crate::blocking;
use crate::ledger::journal::Occurrence;
use crate::ledger::plausibility::{Implausible, ReportPart};
use crate::ledger::recorder::Update;
use crate::ledger::session::SessionId;
use crate::lock::lock;
use crate::metrics::of_count;
use crate::optimizer::{Compensation, Step};
use crate::parameter_server::pace::{Pace, Turns};
use crate::shard::admission::{Admission, Refusal};
use crate::shard::budget::Room;
use crate::shard::gradient::Gradient;
use crate::shard::model::Model;
use crate::shard::publisher::PublishSource;

/// The numbers of one step.
pub(super) struct Scaling {
    /// Factor on the gradient.
    pub(super) scale: f64,
    /// Learning rate.
    pub(super) rate: f64,
}

impl ParameterServer {
    /// Room for the next gradient of `session`, one at a time. Waits for the session's turn, where
    /// the fast wait for the slow, and then for room in `learner.bytes_in_flight`.
    ///
    /// Before the session has opened there is no layout, and no room.
    pub async fn room(&self, session: SessionId) -> Room {
        let Some(model) = self.model.get() else {
            return Room::default();
        };
        if let Pace::Bound(turns) = &model.pace {
            self.turn(model, turns, session).await;
        }
        if let Some(room) = model.budget.try_take() {
            return room;
        }
        let mut wait = Wait::since(self.now(), self, &self.metrics().buffer_wait);
        let mut taken = pin!(model.budget.take());
        loop {
            tokio::select! {
                biased;
                room = &mut taken => return room,
                () = sleep_until(wait.next(None)) => wait.go_on(&model.pace),
            }
        }
    }

    /// Waits until a session may go on, or the learner closes.
    async fn turn(&self, model: &Model, turns: &Turns, session: SessionId) {
        if lock(&turns.clocks).may_go_on(session) {
            return;
        }
        let began = self.now();
        let mut wait = Wait::since(began, self, &self.metrics().turn_wait);
        let _waiting = turns.wait(session, began);
        loop {
            // Made before it is looked again, so that no change is missed.
            let changed = turns.changed.notified();
            let given_up = lock(&turns.clocks).give_up(self.now());
            if !given_up.is_empty() {
                turns.changed.notify_waiters();
                self.tell(given_up);
            }
            let next = {
                let clocks = lock(&turns.clocks);
                if clocks.may_go_on(session) || !self.is_running() {
                    return;
                }
                clocks.next_given_up()
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = self.closed() => {}
                () = sleep_until(wait.next(next)) => wait.go_on(&model.pace),
            }
        }
    }

    /// Admits a gradient and applies it, or says why not; in the synchronous mode once its round
    /// is over. What `report` tells is counted unless the gradient is a duplicate, belongs to
    /// another life of the run, or comes when the learner is closed; or it cannot be true.
    ///
    /// Where the future is dropped while it waits for the round, the session leaves: nobody waits
    /// for it, and its gradient is not applied.
    pub async fn push(
        &self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let model = match self.admit(session, &gradient) {
            Ok(model) => model,
            Err(refusal) => return self.answer(session, Err(refusal)),
        };
        if let Err(implausible) = self.plausibility.check(report) {
            return self.refuse_report(session, &implausible);
        }
        if let Pace::Synchronous(barrier) = &model.pace {
            return self
                .push_to_round(model, barrier, session, gradient, report)
                .await;
        }
        let applied = blocking::run(gradient.values.len(), || {
            self.push_now(model, session, &gradient, report)
        });
        drop(gradient);
        self.answer(session, applied)
    }

    /// Nothing of a report that cannot be true is counted, and its session is to end.
    fn refuse_report(&self, session: SessionId, implausible: &Implausible) -> Outcome {
        self.recorder.report_refused(implausible.part);
        let refusal = Refusal::new(Verdict::Malformed, implausible.to_string());
        Outcome {
            ends_session: true,
            ..self.answer(session, Err(refusal))
        }
    }

    /// Counts a message that was refused because one of its fields, `Message.field`, is beyond its
    /// bound.
    pub(crate) fn over_bound(&self, field: &str) {
        if let Some(part) = ReportPart::of_field(field) {
            self.recorder.report_refused(part);
        }
    }

    /// Counts a gradient that did not even arrive whole; `detail` says what was wrong.
    pub fn malformed(&self, session: SessionId, detail: String) -> Outcome {
        self.answer(session, Err(Refusal::new(Verdict::Malformed, detail)))
    }

    /// Checks who sent it and what for. A sequence number passes once: this is under one lock.
    fn admit(&self, session: SessionId, gradient: &Gradient) -> Result<&Model, Refusal> {
        self.refuse_when_closed()?;
        let model = self.model.get().ok_or_else(|| {
            let detail = "the session sent a gradient before it opened";
            Refusal::new(Verdict::Malformed, detail)
        })?;
        let (expected, found) = (model.elements(), gradient.values.len());
        if found != expected {
            let detail = format!("the gradient has {found} elements; expected {expected}");
            return Err(Refusal::new(Verdict::Malformed, detail));
        }
        let mut sessions = lock(&self.sessions);
        let known = sessions.get_mut(session).ok_or_else(|| {
            let detail = format!("session {session} is not known in this epoch");
            Refusal::new(Verdict::WrongEpoch, detail)
        })?;
        self.admission.check_origin(
            gradient.origin.epoch,
            gradient.origin.sequence,
            known.last_sequence,
        )?;
        known.last_sequence = gradient.origin.sequence;
        Ok(model)
    }

    pub(super) fn refuse_when_closed(&self) -> Result<(), Refusal> {
        match &*self.phase.borrow() {
            Phase::Running => Ok(()),
            Phase::Draining(reason) | Phase::Finished(reason) => {
                Err(Refusal::new(Verdict::Closed, reason.clone()))
            }
        }
    }

    /// Gives the gradient's staleness, in updates.
    fn push_now(
        &self,
        model: &Model,
        session: SessionId,
        gradient: &Gradient,
        report: &v1::Report,
    ) -> Result<u64, Refusal> {
        // The step is taken at the rate of the moment at which its experience began.
        let rate = self.rate.at(self.count(session, report));
        self.observations.check(report)?;
        let norm = self.check_values(gradient)?;
        let judgement = self
            .staleness
            .judge(gradient.origin.version, model.version());
        // Where all gradients are too old for the last publish no update comes that could end that.
        let judgement = judgement.inspect_err(|_| self.publish_where_due(model))?;
        let computed_on = match judgement.lambda {
            Some(lambda) => Some((lambda, model.publisher.published(gradient.origin.version)?)),
            None => None,
        };
        let scaling = Scaling {
            scale: self.clip(norm),
            rate: rate * judgement.rate_factor,
        };
        let compensation = computed_on
            .as_ref()
            .map(|(lambda, parameters)| Compensation {
                lambda: *lambda,
                computed_on: parameters,
            });
        self.step(model, &gradient.values, &scaling, compensation);
        let metrics = self.metrics();
        metrics
            .gradients_scaled
            .inc_by(u64::from(judgement.rate_factor < 1.0));
        metrics
            .gradients_compensated
            .inc_by(u64::from(judgement.lambda.is_some()));
        let age = model.publisher.age(gradient.origin.version, self.now());
        metrics.gradient_age.observe(age.as_secs_f64());
        self.recorder.update(Update {
            gradients: 1,
            staleness: judgement.staleness,
            norm,
        });
        self.advance_version(model);
        self.tell(Vec::from_iter(model.pace.advance(session, self.now())));
        self.finish_if_done();
        Ok(judgement.staleness)
    }

    /// Checks the values, now that it is their turn; gives their global norm.
    pub(super) fn check_values(&self, gradient: &Gradient) -> Result<f64, Refusal> {
        let waited = gradient.arrived.elapsed();
        self.metrics().queue_wait.observe(waited.as_secs_f64());
        Admission::check_norm(gradient.norm)?;
        Ok(gradient.norm)
    }

    /// Counts a report; gives the env steps before it.
    pub(super) fn count(&self, session: SessionId, report: &v1::Report) -> u64 {
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.env_steps = session.env_steps.saturating_add(report.env_steps);
        }
        self.observations.record(report);
        self.recorder.report(report, self.now())
    }

    /// The factor that brings a gradient of this norm below the limit.
    pub(super) fn clip(&self, norm: f64) -> f64 {
        match self.experiment.optimizer.max_gradient_norm {
            Some(limit) if norm > limit => limit / norm,
            _ => 1.0,
        }
    }

    pub(super) fn step(
        &self,
        model: &Model,
        gradient: &Elements,
        scaling: &Scaling,
        compensation: Option<Compensation<'_>>,
    ) {
        self.metrics().learning_rate.set(scaling.rate);
        let timer = self.metrics().apply_seconds.start_timer();
        let step = Step {
            scale: scaling.scale as f32,
            rate: scaling.rate as f32,
            number: model.steps.fetch_add(1, Ordering::Relaxed) + 1,
            compensation,
        };
        model.parameters.apply(gradient, &step);
        timer.observe_duration();
    }

    /// Makes an update visible, and publishes where that is due.
    pub(super) fn advance_version(&self, model: &Model) {
        let version = model.version.fetch_add(1, Ordering::AcqRel) + 1;
        self.metrics().version.set(of_count(version));
        self.publish_where_due(model);
    }

    fn publish_where_due(&self, model: &Model) {
        let publishes = model.publisher.after_update(&Newest {
            server: self,
            model,
        });
        self.metrics().publishes.inc_by(publishes);
    }

    /// Counts what became of a session's gradient; `applied` tells its staleness.
    pub(super) fn answer(&self, session: SessionId, applied: Result<u64, Refusal>) -> Outcome {
        let now = self.now();
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.last_gradient_at = Some(now);
            match &applied {
                Ok(staleness) => {
                    session.gradients_applied += 1;
                    session.staleness_updates = *staleness;
                }
                Err(_) => session.gradients_rejected += 1,
            }
        }
        let version = self.version();
        match applied {
            Ok(_) => Outcome {
                verdict: Verdict::Applied,
                detail: String::new(),
                version,
                ends_session: false,
            },
            Err(Refusal { verdict, detail }) => {
                self.recorder.rejection(verdict);
                self.alarm(session, verdict, &detail);
                // Its steps count: a run whose gradients are all refused ends too.
                self.finish_if_done();
                Outcome {
                    verdict,
                    detail: DETAIL.cut(&detail),
                    version,
                    ends_session: false,
                }
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

    pub(super) fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    /// Completes once the learner is draining or done.
    pub(super) async fn closed(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as the server.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }
}

/// What a publish takes.
struct Newest<'a> {
    server: &'a ParameterServer,
    model: &'a Model,
}

impl PublishSource for Newest<'_> {
    fn now(&self) -> Duration {
        self.server.now()
    }

    fn version(&self) -> u64 {
        self.model.version()
    }

    fn steps(&self) -> (u64, u64) {
        self.server.recorder.steps()
    }

    fn observations(&self) -> Option<Arc<Moments>> {
        self.server.observations.newest()
    }

    fn elements(&self) -> usize {
        self.model.elements()
    }

    fn read(&self, into: &mut [f32]) {
        self.model.parameters.read(into);
    }
}
