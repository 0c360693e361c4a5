use std::sync::Mutex;

use tokio::sync::{Notify, oneshot};
use troop_common::proto::v1;

use crate::answers::Refusal;
use crate::lock::lock;
use crate::policy::round::Part;
use crate::policy::told_rounds::{Named, ToldRounds};
use crate::shard::Shard;
use crate::shard::gradient::Gradient;
use crate::shard::mean::Sum;

/// What has come of the round that the lead brings to its end.
pub(crate) struct ToldBarrier {
    pub(crate) rounds: Mutex<ToldRounds<ToldPart>>,
    pub(crate) changed: Notify,
    pub(crate) summed: Mutex<Summed>,
}

/// How far the rounds that the lead tells of have come.
#[derive(Default)]
pub(crate) struct Summed {
    /// The one whose step is to come.
    pub(crate) next: Option<SummedRound>,
    /// The last whose step was taken.
    pub(crate) stepped: u64,
}

/// A round whose gradients are summed.
pub(crate) struct SummedRound {
    pub(crate) number: u64,
    pub(crate) gradients: Vec<Named>,
    /// Gradients that the lead has refused, and all before them.
    pub(crate) refused: Vec<Named>,
    /// None if there are no gradients.
    pub(crate) sum: Option<Sum>,
}

/// One session's slice for a round.
pub(crate) struct ToldPart {
    /// Of its gradient, or why that is refused: then its session waits for the round's end all the same.
    pub(crate) gradient: Result<Gradient, Refusal>,
    pub(crate) answer: oneshot::Sender<Result<u64, Refusal>>,
}

impl Part for ToldPart {
    fn is_gradient(&self) -> bool {
        self.gradient.is_ok()
    }
}

impl ToldBarrier {
    /// The first round is computed on `version`.
    pub(crate) fn new(version: u64) -> Self {
        Self {
            rounds: Mutex::new(ToldRounds::new(version)),
            changed: Notify::new(),
            summed: Mutex::default(),
        }
    }

    /// Sums what has come of a round; gives the sum's norm.
    pub(crate) fn sum(&self, shard: &Shard, round: &v1::Round) -> f64 {
        let gradients = named(&round.gradients);
        let sum = {
            let rounds = lock(&self.rounds);
            let parts = rounds.of(&gradients);
            let parts = parts.filter_map(|part| part.gradient.as_ref().ok());
            (!gradients.is_empty()).then(|| shard.sum(parts))
        };
        let norm = sum.as_ref().map_or(0.0, |sum| sum.norm);
        lock(&self.summed).next = Some(SummedRound {
            number: round.number,
            gradients,
            refused: named(&round.refused),
            sum,
        });
        norm
    }

    /// The round of that number, unless its step was taken.
    pub(crate) fn take(&self, number: u64) -> Option<SummedRound> {
        let mut summed = lock(&self.summed);
        if number <= summed.stepped {
            return None;
        }
        let round = summed.next.take().filter(|round| round.number == number)?;
        summed.stepped = number;
        Some(round)
    }
}

/// How the lead names gradients.
pub(super) fn named(gradients: &[v1::ArrivedSession]) -> Vec<Named> {
    let name = |it: &v1::ArrivedSession| (it.lead_session, it.sequence);
    gradients.iter().map(name).collect()
}
