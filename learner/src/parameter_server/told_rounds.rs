//! A shard's side of rounds over several shards: it sums what the lead says, and takes the step that all take.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use troop_common::proto::v1;

use super::ParameterServer;
use super::intake::Intake;
use super::model::Model;
use super::pace::Pace;
use super::told_barrier::{SummedRound, ToldBarrier, ToldPart, named};
use crate::answers::{Outcome, Refusal, SessionId, Verdict};
use crate::blocking;
use crate::cut::CUT_PATIENCE;
use crate::ledger::Update;
use crate::lock::lock;
use crate::policy::told_rounds::{Gathered, Named, REFUSED};
use crate::shard::gradient::Gradient;

/// Slices that do not come within this time count as missing. The lead waits longer for that answer.
const GATHERING_LIMIT: Duration = Duration::from_secs(CUT_PATIENCE.as_secs() / 2);

impl ParameterServer {
    /// Waits until the round of a gradient is over, as the lead tells.
    pub(super) async fn push_to_told_round(
        &self,
        intake: Intake<'_>,
        barrier: &ToldBarrier,
        (session, gradient): (SessionId, Gradient),
        report: &v1::Report,
    ) -> Outcome {
        let (ledger, gradients) = (intake.ledger, gradient.gradients);
        ledger.report(session, report);
        let answered = self.contribute_to_told_round(intake, barrier, (session, gradient));
        let applied = match answered {
            Ok(answered) => tokio::select! {
                biased;
                applied = answered => applied.ok(),
                () = ledger.life().closed() => None,
            },
            Err(refusal) => Some(Err(refusal)),
        };
        let applied = applied.unwrap_or_else(|| {
            ledger.life().refuse_if_closed()?;
            let detail = format!("session {session} has left");
            Err(Refusal::new(Verdict::WrongEpoch, detail))
        });
        intake.answer(session, gradients, applied)
    }

    /// Gives where the answer will come.
    fn contribute_to_told_round(
        &self,
        intake: Intake<'_>,
        barrier: &ToldBarrier,
        (session, gradient): (SessionId, Gradient),
    ) -> Result<oneshot::Receiver<Result<u64, Refusal>>, Refusal> {
        let Some(lead_session) = self.gate.lead_session(session) else {
            let detail = format!("session {session} has left");
            return Err(Refusal::new(Verdict::WrongEpoch, detail));
        };
        let checked = intake.model.shard.check_values(&gradient);
        let (answer, answered) = oneshot::channel();
        let (sequence, version) = (gradient.origin.sequence, gradient.origin.version);
        let part = ToldPart {
            gradient: checked.map(|()| gradient),
            answer,
        };
        let name = (lead_session, sequence);
        let taken = lock(&barrier.rounds).contribute(name, version, part);
        let taken = taken.map_err(|(refusal, part)| part.gradient.err().unwrap_or(refusal));
        barrier.changed.notify_waiters();
        taken.map(|()| answered)
    }

    /// A session leaves: its gradient is no part of a round any more that has not been summed.
    pub(super) fn leave_told_rounds(&self, session: SessionId) {
        if let Some((_, barrier)) = self.told_barrier()
            && let Some(lead_session) = self.gate.lead_session(session)
        {
            let withdrawn = lock(&barrier.rounds).leave(lead_session);
            drop(withdrawn);
            barrier.changed.notify_waiters();
        }
    }

    /// Sums this shard's slices of a round's gradients, once they have come.
    pub(crate) async fn sum_round(&self, round: &v1::Round) -> v1::RoundSum {
        let (number, gradients) = (round.number, named(&round.gradients));
        let without = |missing| v1::RoundSum {
            number,
            missing,
            norm: 0.0,
        };
        let Some((model, barrier)) = self.told_barrier() else {
            return without(gradients.iter().map(|(session, _)| *session).collect());
        };
        let gathered = timeout(GATHERING_LIMIT, self.gather(barrier, &gradients)).await;
        match gathered {
            Ok(missing) if !missing.is_empty() => without(missing),
            Err(_) => without(lock(&barrier.rounds).missing(&gradients)),
            Ok(_) => blocking::run(model.shard.elements(), || v1::RoundSum {
                number,
                missing: Vec::new(),
                norm: barrier.sum(&model.shard, round),
            }),
        }
    }

    /// Waits for slices; gives the sessions whose slices do not come.
    async fn gather(&self, barrier: &ToldBarrier, gradients: &[Named]) -> Vec<SessionId> {
        loop {
            let mut changed = pin!(barrier.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let here = self.gate.lead_sessions();
            let gathered =
                lock(&barrier.rounds).gathered(gradients, |session| here.contains(&session));
            match gathered {
                Gathered::All => return Vec::new(),
                Gathered::Without(missing) => return missing,
                Gathered::Some => changed.await,
            }
        }
    }

    /// Takes the step of the round that was summed last; one that it has taken is not taken again.
    pub(crate) fn step_round(&self, step: &v1::RoundStep) -> v1::RoundStepped {
        if let Some((model, barrier)) = self.told_barrier()
            && let Some(round) = barrier.take(step.number)
        {
            blocking::run(model.shard.elements(), || {
                self.take_step(model, barrier, step, &round);
            });
        }
        v1::RoundStepped {
            number: step.number,
        }
    }

    fn take_step(
        &self,
        model: &Model,
        barrier: &ToldBarrier,
        step: &v1::RoundStep,
        round: &SummedRound,
    ) {
        let ledger = &self.ledger;
        ledger.follow(step.env_steps);
        if let Some(sum) = &round.sum {
            let rate = ledger.rate_at(step.env_steps);
            model.shard.apply_mean(sum, step.norm, rate);
            ledger.update(Update {
                gradients: sum.gradients,
                staleness: 0,
                norm: step.norm,
            });
            self.intake(model).advance();
        }
        let here = self.gate.lead_sessions();
        let is_here = |session| here.contains(&session);
        let ended = lock(&barrier.rounds).end(&round.gradients, &round.refused, is_here);
        for part in ended.summed {
            // If the session has gone nobody wants to know.
            let _ = part.answer.send(Ok(0));
        }
        let refuse = |part: ToldPart, verdict, why: &str| {
            let own = part.gradient.err();
            let refusal = own.unwrap_or_else(|| Refusal::new(verdict, why));
            let _ = part.answer.send(Err(refusal));
        };
        for part in ended.refused {
            refuse(part, Verdict::Malformed, REFUSED);
        }
        for part in ended.late {
            refuse(part, Verdict::Late, "its round is closed");
        }
    }

    fn told_barrier(&self) -> Option<(&Model, &ToldBarrier)> {
        let model = self.model.get()?;
        match &model.pace {
            Pace::Told(barrier) => Some((model, barrier)),
            _ => None,
        }
    }
}
