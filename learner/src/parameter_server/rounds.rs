//! The synchronous mode: gradients wait for their round, and the last one closes it.

use tokio::sync::oneshot;
use tokio::time::sleep_until;
use troop_common::proto::v1;

use super::barrier::{Barrier, RoundPart};
use super::intake::Intake;
use super::over::{Member, Over};
use super::waiting::Wait;
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::blocking;
use crate::ledger::Update;
use crate::lock::lock;
use crate::shard::gradient::Gradient;
use crate::shard::mean::Sum;

/// Takes gradients to their round.
#[derive(Clone, Copy)]
pub(super) struct RoundIntake<'a> {
    pub(super) intake: Intake<'a>,
    pub(super) barrier: &'a Barrier,
}

impl RoundIntake<'_> {
    /// Waits until the gradient's round is over.
    pub(super) async fn push(
        self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let Self { intake, barrier } = self;
        let ledger = intake.ledger;
        let (began, gradients) = (ledger.now(), gradient.gradients);
        let sequence = gradient.origin.sequence;
        let answered = match self.contribute(session, gradient, report) {
            Ok(answered) => answered,
            Err(refusal) => {
                // A gradient that is refused stands for experience that was made all the same.
                ledger.report(session, report);
                barrier.refuse(session, sequence);
                let outcome = intake.answer(session, gradients, Err(refusal));
                // Over shards it may come to nothing after all.
                let awaited = match barrier.is_over_shards {
                    true => outcome.version,
                    false => lock(&barrier.rounds).version(),
                };
                return Outcome {
                    version: outcome.version.max(awaited),
                    ..outcome
                };
            }
        };
        let waiting = WaitingSession {
            intake,
            session: Some(session),
        };
        let wait = Wait::since(began, ledger, &ledger.metrics().round_wait);
        let who = (session, gradients);
        let outcome = self.wait_for_end(who, answered, wait).await;
        waiting.done();
        outcome
    }

    /// Gives where the answer will come.
    fn contribute(
        self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let Self { intake, barrier } = self;
        let (answer, answered) = oneshot::channel();
        let checked = self.check(&gradient, report);
        let (origin, gradients) = (gradient.origin, gradient.gradients);
        let part = RoundPart {
            gradient: checked.map(|()| gradient),
            gradients,
            sequence: origin.sequence,
            report: report.clone(),
            answer,
        };
        let now = intake.ledger.now();
        let (accepted, changes) = {
            let mut rounds = lock(&barrier.rounds);
            let accepted = rounds.contribute(session, origin.version, part, now);
            (accepted, rounds.take_changes())
        };
        intake.ledger.tell(changes);
        accepted.map_err(|(refusal, part)| part.gradient.err().unwrap_or(refusal))?;
        barrier.changed.notify_waiters();
        Ok(answered)
    }

    fn check(self, gradient: &Gradient, report: &v1::Report) -> Result<(), Refusal> {
        let Intake { ledger, model } = self.intake;
        ledger.check_observations(report)?;
        blocking::run(gradient.values.len(), || model.shard.check_values(gradient))
    }

    /// Waits for the end of the round, and brings it about where it is time.
    async fn wait_for_end(
        self,
        who: (SessionId, u64),
        mut answered: oneshot::Receiver<Outcome>,
        mut wait: Wait<'_>,
    ) -> Outcome {
        let Self { intake, barrier } = self;
        let pace = &intake.model.pace;
        loop {
            // Made before it is looked again, so that no change is missed.
            let changed = barrier.changed.notified();
            self.close_round();
            let deadline = barrier.own_deadline();
            tokio::select! {
                biased;
                outcome = &mut answered => return self.answered(who, outcome.ok()),
                () = changed => {}
                () = sleep_until(wait.next(deadline)) => wait.go_on(pace),
                () = intake.ledger.life().closed() => {
                    // If the round is being closed at this moment its part stays.
                    pace.leave(who.0);
                    return self.answered(who, answered.await.ok());
                }
            }
        }
    }

    /// The outcome that a round gave, or why there is none.
    fn answered(self, (session, gradients): (SessionId, u64), outcome: Option<Outcome>) -> Outcome {
        outcome.unwrap_or_else(|| {
            let closed = self.intake.ledger.life().refuse_if_closed().err();
            let refusal = closed.unwrap_or_else(|| {
                Refusal::new(Verdict::WrongEpoch, format!("session {session} has left"))
            });
            self.intake.answer(session, gradients, Err(refusal))
        })
    }

    /// Ends the round and takes its step, if it is over and no other shards take it too.
    fn close_round(self) {
        if self.barrier.is_over_shards {
            return;
        }
        if let Some(mut over) = self.close() {
            let shard = &self.intake.model.shard;
            blocking::run(shard.elements(), || {
                // Each gives up its room as soon as it has been added.
                let gradients = std::mem::take(&mut over.gradients).into_values();
                let sum = (gradients.len() > 0).then(|| shard.sum(gradients));
                let step = sum.map(|sum| {
                    let mean_norm = sum.mean_norm();
                    (sum, mean_norm)
                });
                self.end(over, step);
            });
        }
    }

    /// The round, if it is over.
    pub(super) fn close(self) -> Option<Over> {
        let Self { intake, barrier } = self;
        let (round, changes) = {
            let mut rounds = lock(&barrier.rounds);
            (rounds.close(intake.ledger.now()), rounds.take_changes())
        };
        intake.ledger.tell(changes);
        let round = round?;
        let ended = &intake.ledger.metrics().rounds;
        ended.with_label_values(&[round.end.name()]).inc();
        Some(Over::of(round))
    }

    /// One step along the mean of the round's gradients, if it has any: their sum, and the mean's norm. Counts the reports
    /// in their order; the step is taken at the learning rate before them.
    pub(super) fn end(self, over: Over, step: Option<(Sum, f64)>) {
        let Intake { ledger, model } = self.intake;
        let rate = ledger.rate_at(ledger.steps().0);
        if let Some((sum, mean_norm)) = &step {
            model.shard.apply_mean(sum, *mean_norm, rate);
        }
        for member in &over.members {
            ledger.report(member.session, &member.report);
        }
        if let Some((sum, mean_norm)) = step {
            ledger.update(Update {
                gradients: sum.gradients,
                staleness: 0,
                norm: mean_norm,
            });
            self.intake.advance();
        }
        // Before anybody is answered: nobody begins another gradient when the run is over.
        ledger.finish_if_done();
        for member in over.members {
            let Member {
                session, gradients, ..
            } = member;
            let outcome = self.intake.answer(session, gradients, member.staleness);
            // If the session has gone nobody wants to know.
            let _ = member.answer.send(outcome);
        }
    }
}

/// A session whose push waits for its round. If the push is given up the session leaves.
struct WaitingSession<'a> {
    intake: Intake<'a>,
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
            self.intake.leave(session);
        }
    }
}
