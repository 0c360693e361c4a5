//! The synchronous mode: gradients wait for their round, and the last one closes it.

use tokio::sync::oneshot;
use tokio::time::sleep_until;
use troop_common::proto::v1::{self, Verdict};
use troop_common::wire::{Buffers, Elements};

use super::ParameterServer;
use super::ingest::Scaling;
use super::waiting::Wait;
use crate::answers::Outcome;
use crate::blocking;
use crate::ledger::recorder::Update;
use crate::ledger::session::SessionId;
use crate::lock::lock;
use crate::parameter_server::pace::{Barrier, Contribution};
use crate::policy::round::Round;
use crate::shard::admission::Refusal;
use crate::shard::gradient::Gradient;
use crate::shard::model::Model;
use crate::shard::norm::global_norm;

impl ParameterServer {
    pub(super) async fn push_to_round(
        &self,
        model: &Model,
        barrier: &Barrier,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let began = self.now();
        let answered = match self.contribute(barrier, session, gradient, report) {
            Ok(answered) => answered,
            Err(refusal) => {
                // A gradient that is refused stands for experience that was made all the same.
                self.count(session, report);
                let outcome = self.answer(session, Err(refusal));
                return Outcome {
                    version: outcome.version.max(lock(&barrier.rounds).version()),
                    ..outcome
                };
            }
        };
        let waiting = WaitingSession {
            server: self,
            session: Some(session),
        };
        let wait = Wait::since(began, self, &self.metrics().round_wait);
        let outcome = self
            .wait_for_end(model, barrier, session, answered, wait)
            .await;
        waiting.done();
        outcome
    }

    /// Gives where the answer will come.
    fn contribute(
        &self,
        barrier: &Barrier,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        self.observations.check(report)?;
        blocking::run(gradient.values.len(), || self.check_values(&gradient))?;
        let (answer, answered) = oneshot::channel();
        let contribution = Contribution {
            values: gradient.values,
            room: gradient.room,
            report: report.clone(),
            answer,
        };
        let now = self.now();
        let (accepted, changes) = {
            let mut rounds = lock(&barrier.rounds);
            let version = gradient.origin.version;
            let accepted = rounds.contribute(session, version, contribution, now);
            (accepted, rounds.take_changes())
        };
        self.tell(changes);
        accepted.map_err(|(refusal, _)| refusal)?;
        barrier.changed.notify_waiters();
        Ok(answered)
    }

    /// Waits for the end of the round, and brings it about where it is time.
    async fn wait_for_end(
        &self,
        model: &Model,
        barrier: &Barrier,
        session: SessionId,
        mut answered: oneshot::Receiver<Outcome>,
        mut wait: Wait<'_>,
    ) -> Outcome {
        loop {
            // Made before it is looked again, so that no change is missed.
            let changed = barrier.changed.notified();
            self.close_round(model, barrier);
            let deadline = lock(&barrier.rounds).deadline();
            tokio::select! {
                biased;
                outcome = &mut answered => return self.answered(session, outcome.ok()),
                () = changed => {}
                () = sleep_until(wait.next(deadline)) => wait.go_on(&model.pace),
                () = self.closed() => {
                    // Where the round is being closed at this moment its part stays.
                    model.pace.leave(session);
                    return self.answered(session, answered.await.ok());
                }
            }
        }
    }

    /// The outcome that a round gave, or why there is none.
    fn answered(&self, session: SessionId, outcome: Option<Outcome>) -> Outcome {
        outcome.unwrap_or_else(|| {
            let closed = self.refuse_when_closed().err();
            let refusal = closed.unwrap_or_else(|| {
                Refusal::new(Verdict::WrongEpoch, format!("session {session} has left"))
            });
            self.answer(session, Err(refusal))
        })
    }

    fn close_round(&self, model: &Model, barrier: &Barrier) {
        let (round, changes) = {
            let mut rounds = lock(&barrier.rounds);
            (rounds.close(self.now()), rounds.take_changes())
        };
        self.tell(changes);
        if let Some(round) = round {
            blocking::run(model.elements(), || {
                self.apply_round(model, &barrier.sums, round);
            });
        }
    }

    /// One step along the mean of the round's gradients.
    fn apply_round(&self, model: &Model, sums: &Buffers<f32>, round: Round<Contribution>) {
        let rounds = &self.metrics().rounds;
        rounds.with_label_values(&[round.end.name()]).inc();
        let gradients = round.contributions.len() as u64;
        let share = 1.0 / gradients as f64;
        let mut sum = sums.take(model.elements());
        let mut members = Vec::with_capacity(round.contributions.len());
        for (session, contribution) in round.contributions {
            let Contribution {
                values,
                room,
                report,
                answer,
            } = contribution;
            if members.is_empty() {
                values.read(&mut sum);
            } else {
                add(&mut sum, &values);
            }
            drop((values, room));
            members.push((session, report, answer));
        }
        let norm = global_norm(&sum) * share;
        let (env_steps, _) = self.recorder.steps();
        let scaling = Scaling {
            scale: self.clip(norm) * share,
            rate: self.rate.at(env_steps),
        };
        self.step(model, &Elements::of(sums.lend(sum)), &scaling, None);
        for (session, report, _) in &members {
            self.count(*session, report);
        }
        self.recorder.update(Update {
            gradients,
            staleness: 0,
            norm,
        });
        self.advance_version(model);
        // Before anybody is answered: nobody begins another gradient when the run is over.
        self.finish_if_done();
        for (session, _, answer) in members {
            // Where the session has gone nobody wants to know.
            let _ = answer.send(self.answer(session, Ok(0)));
        }
    }
}

/// Adds `other` to `sum`. What is too large for an `f32` stays the largest one: finite gradients
/// have a finite sum.
fn add(sum: &mut [f32], other: &Elements) {
    for (start, run) in other.runs(0..sum.len()) {
        run.zip(&mut sum[start..], |sum, other| {
            *sum = (*sum + other).clamp(f32::MIN, f32::MAX);
        });
    }
}

/// A session whose push waits for its round. Where the push is given up the session leaves.
struct WaitingSession<'a> {
    server: &'a ParameterServer,
    session: Option<SessionId>,
}

impl WaitingSession<'_> {
    fn done(mut self) {
        self.session = None;
    }
}

impl Drop for WaitingSession<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            self.server.leave(session);
        }
    }
}
