//! The lead's side of rounds over several shards: it says which gradients a round is of, and how long the step is that
//! all take.

use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::{sleep, sleep_until};
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_response::Kind as Down;

use super::ParameterServer;
use super::barrier::Barrier;
use super::over::Over;
use super::pace::Pace;
use super::rounds::RoundIntake;
use crate::answers::{Refusal, SessionId, Verdict};
use crate::blocking;
use crate::cut::CutFailed;
use crate::lock::lock;
use crate::shard::mean::Sum;

/// A shard that was not there is asked again after this.
const PAUSE: Duration = Duration::from_millis(100);

/// The sum of a round's gradients at all shards.
struct Agreed {
    /// The number by which the shards know it.
    number: u64,
    /// The lead's own slice of it, and the norm of the whole mean; none without gradients.
    step: Option<(Sum, f64)>,
}

impl ParameterServer {
    /// Brings the rounds of a run over several shards to their ends, until the learner closes. Of other runs it has nothing to
    /// do: there the last gradient of a round closes it.
    pub async fn end_rounds(&self) {
        let mut published = self.published();
        let made = published.wait_for(Option::is_some).await.is_ok();
        let Some(model) = self.model.get().filter(|_| made) else {
            return;
        };
        let Pace::Synchronous(barrier) = &model.pace else {
            return;
        };
        let intake = RoundIntake {
            intake: self.intake(model),
            barrier,
        };
        if barrier.is_over_shards {
            tokio::select! {
                () = self.end_all(intake) => {}
                () = self.ledger.life().closed() => {}
            }
        }
    }

    async fn end_all(&self, intake: RoundIntake<'_>) {
        loop {
            // Made before it is looked, so that no change is missed.
            let changed = intake.barrier.changed.notified();
            let alone = self.with_shards.lock().await;
            match over(intake) {
                Some(over) => self.end_over_shards(intake, over, alone).await,
                None => {
                    drop(alone);
                    tokio::select! {
                        () = changed => {}
                        () = self.deadline(intake.barrier) => {}
                    }
                }
            }
        }
    }

    async fn deadline(&self, barrier: &Barrier) {
        let deadline = lock(&barrier.rounds).deadline();
        match deadline {
            Some(deadline) => sleep_until(self.ledger.clock().instant(deadline)).await,
            None => std::future::pending().await,
        }
    }

    /// All take the step, or none yet.
    async fn end_over_shards(
        &self,
        intake: RoundIntake<'_>,
        mut over: Over,
        _alone: MutexGuard<'_, ()>,
    ) {
        let made_version = !over.gradients.is_empty();
        let Agreed { number, step } = self.agree_on_sum(intake, &mut over).await;
        if made_version && step.is_none() {
            lock(&intake.barrier.rounds).withdraw_version();
        }
        let env_steps = self.ledger.steps().0;
        let norm = step.as_ref().map_or(0.0, |(_, norm)| *norm);
        let elements = intake.intake.model.shard.elements();
        // From here on it is taken everywhere: whoever is away for a moment is told until it has heard.
        let told = self.tell_step(v1::RoundStep {
            number,
            norm,
            env_steps,
        });
        let taken = async { blocking::run(elements, || intake.end(over, step)) };
        tokio::join!(told, taken);
    }

    /// The sum of those gradients that all shards have.
    async fn agree_on_sum(&self, intake: RoundIntake<'_>, over: &mut Over) -> Agreed {
        loop {
            match self.ask_for_sums(over).await {
                Ok((number, sums)) => {
                    if !leave_out_missing(over, &sums) {
                        let step = self.own_sum(intake, over, &sums);
                        return Agreed { number, step };
                    }
                }
                Err(why) => {
                    tracing::debug!(%why, "a round waits");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Has all shards sum the round's gradients.
    async fn ask_for_sums(&self, over: &Over) -> Result<(u64, Vec<v1::RoundSum>), CutFailed> {
        let (number, mut others) = self.lines.begin(self.shards())?;
        let round = v1::Round {
            number,
            gradients: over.named(),
            refused: over.refused(),
        };
        for other in &others {
            other.tell(Down::Round(round.clone())).await?;
        }
        let mut sums = Vec::new();
        for other in &mut others {
            sums.push(other.sum().await?);
        }
        Ok((number, sums))
    }

    /// The lead's own slice of the sum, and the norm of the whole mean: as its worker said, if it is one gradient.
    fn own_sum(
        &self,
        intake: RoundIntake<'_>,
        over: &Over,
        sums: &[v1::RoundSum],
    ) -> Option<(Sum, f64)> {
        let shard = &intake.intake.model.shard;
        let gradients = || over.gradients.values();
        let first = gradients().next()?;
        let sum = blocking::run(shard.elements(), || shard.sum(gradients()));
        let norm = match gradients().len() {
            1 => first.norm,
            _ => {
                let others = sums.iter().map(|sum| sum.norm * sum.norm);
                (sum.norm * sum.norm + others.sum::<f64>()).sqrt()
            }
        };
        let mean_norm = norm * sum.share();
        Some((sum, mean_norm))
    }

    /// Tells all shards of a step until each has taken it.
    async fn tell_step(&self, step: v1::RoundStep) {
        while self.try_tell_step(step).await.is_err() {
            sleep(PAUSE).await;
        }
    }

    async fn try_tell_step(&self, step: v1::RoundStep) -> Result<(), CutFailed> {
        let (_, mut others) = self.lines.begin(self.shards())?;
        for other in &others {
            other.tell(Down::Step(step)).await?;
        }
        for other in &mut others {
            other.stepped(step.number).await?;
        }
        Ok(())
    }
}

/// A round that is over, or one of nothing if there is something that other shards must hear of.
fn over(intake: RoundIntake<'_>) -> Option<Over> {
    // Looked at before, so that it is not older than what the round knows.
    let refused = std::mem::take(&mut *lock(&intake.barrier.refused));
    let over = intake.close();
    if over.is_none() && refused.is_empty() {
        return None;
    }
    let mut over = over.unwrap_or_default();
    over.refused_before = refused;
    Some(over)
}

/// Leaves out the gradients that some shard has not got; whether there are any.
fn leave_out_missing(over: &mut Over, sums: &[v1::RoundSum]) -> bool {
    let missing: Vec<SessionId> = sums.iter().flat_map(|sum| sum.missing.clone()).collect();
    let mut any = false;
    for session in missing {
        let why = "not all shards have got it whole";
        any |= over.leave_out(session, Refusal::new(Verdict::Late, why));
    }
    any
}
