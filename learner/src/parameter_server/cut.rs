//! A checkpoint of all shards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;
use troop_common::experiment::StalenessPolicy;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_request::Kind as Up;
use troop_common::proto::v1::attach_replay_response::Kind as Down;
use troop_common::shard_ranges::shard_ranges;
use troop_common::weights::Target;

use super::model::Model;
use super::{Beginning, Checkpoint, ParameterServer};
use crate::answers::{OpenError, SessionId};
use crate::blocking;
use crate::cut::{Answers, CUT_PATIENCE, CutFailed, Held, Lines, Part};
use crate::optimizer::kept_names;

/// The lead's side.
impl ParameterServer {
    /// Everything that a restart needs, of all shards; none before the first session has opened. Sessions are held
    /// meanwhile, if there are several shards: until each has come to the same gradient with all of them, and each has
    /// copied what it holds.
    ///
    /// # Errors
    /// If a shard is gone, or does not get there. The run goes on without that checkpoint.
    pub async fn cut(&self) -> Result<Option<Checkpoint>, CutFailed> {
        let Some(model) = self.model.get() else {
            return Ok(None);
        };
        if self.shards() == 1 {
            return Ok(self.checkpoint());
        }
        let _alone = self.with_shards.lock().await;
        let (cut, mut others) = self.lines.begin(self.shards())?;
        let made = self.cut_with(model, cut, &mut others).await;
        if made.is_err() {
            others.iter().for_each(Answers::give_up);
        }
        made.map(Some)
    }

    async fn cut_with(
        &self,
        model: &Model,
        cut: u64,
        others: &mut [Answers],
    ) -> Result<Checkpoint, CutFailed> {
        let mut whole = {
            let held = self.gate.hold();
            agree(&held, cut, others).await?;
            self.copy_elsewhere(model)
        };
        let kept = model.shard.state_names().len();
        let ranges = shard_ranges(model.layout.len(), self.shards());
        let ranges = ranges.unwrap_or_default();
        for (other, range) in others.iter_mut().zip(ranges.into_iter().skip(1)) {
            let part = other.part(range.len(), kept).await?;
            let appended = whole.append(part);
            appended.map_err(|why| other.no_part(why.into()))?;
        }
        Ok(whole)
    }

    /// The lines to the other shards.
    pub(crate) fn lines(&self) -> &Lines {
        &self.lines
    }
}

/// Takes the sessions of all shards to the same gradients.
async fn agree(held: &Held<'_>, cut: u64, others: &mut [Answers]) -> Result<(), CutFailed> {
    for other in others.iter() {
        other.tell(Down::Hold(v1::Hold { cut })).await?;
    }
    let mut limit = held.arrived();
    for other in others.iter_mut() {
        limit.merge(&other.arrived().await?);
    }
    for other in others.iter() {
        other.tell(Down::Arrived(limit.message(cut))).await?;
    }
    let late = CutFailed::Late {
        shard: 0,
        what: "get as far as the others",
    };
    timeout(CUT_PATIENCE, held.take(limit))
        .await
        .map_err(|_| late)
}

/// Another shard's side.
impl ParameterServer {
    /// Begins with a part of a checkpoint rather than with what is drawn.
    pub(crate) fn begin_with_part(&self, layout: Layout, part: Part) {
        let Part {
            version,
            target_taken_at_version,
            vectors,
        } = part;
        let mut vectors = vectors.into_iter();
        let parameters = vectors.next().unwrap_or_default();
        let kept = kept_names(&self.experiment);
        let sorted: BTreeSet<_> = kept.iter().copied().collect();
        let mut optimizer: BTreeMap<_, _> = sorted.into_iter().zip(&mut vectors).collect();
        self.make_model(Beginning {
            layout,
            parameters,
            optimizer: kept
                .iter()
                .filter_map(|name| optimizer.remove(name))
                .collect(),
            version,
            target: target_taken_at_version.zip(vectors.next()).map(
                |(taken_at_version, parameters)| Target {
                    taken_at_version,
                    parameters: Arc::new(parameters),
                },
            ),
        });
    }

    /// Elements that this shard holds of a vector with `layout`, and vectors of the optimiser beside them.
    ///
    /// # Errors
    /// If a network of that layout cannot be spread over so many shards.
    pub(crate) fn part_shape(&self, layout: &Layout) -> Result<(usize, usize), OpenError> {
        let kept = kept_names(&self.experiment).len();
        Ok((self.range(layout)?.len(), kept))
    }

    /// Takes part in cut number `cut`: says how far its sessions have come, and takes them as far as it is then told.
    pub(crate) async fn take_part(
        &self,
        cut: u64,
        told: &mut mpsc::Receiver<Down>,
        tells: &mpsc::Sender<Up>,
    ) -> TakenPart {
        let Some(model) = self.model.get() else {
            return TakenPart::GivenUp;
        };
        let held = self.gate.hold();
        let arrived = Up::Arrived(held.arrived().message(cut));
        if tells.send(arrived).await.is_err() {
            return TakenPart::GivenUp;
        }
        let limit = match timeout(CUT_PATIENCE, told.recv()).await {
            Ok(Some(Down::Arrived(limit))) if limit.cut == cut => limit,
            Ok(other) => return other.into(),
            Err(_) => return TakenPart::GivenUp,
        };
        tokio::select! {
            biased;
            taken = timeout(CUT_PATIENCE, held.take(limit.into())) => match taken {
                Ok(()) => TakenPart::Whole(self.copy_elsewhere(model).into_part()),
                Err(_) => TakenPart::GivenUp,
            },
            other = told.recv() => other.into(),
        }
    }
}

/// What came of a shard's part in a cut.
pub(crate) enum TakenPart {
    /// What it holds.
    Whole(Part),
    /// There is none.
    GivenUp,
    /// The lead has said something else meanwhile.
    Another(Down),
}

impl From<Option<Down>> for TakenPart {
    /// Whatever the lead says in place of what was waited for, the cut is over.
    fn from(said: Option<Down>) -> Self {
        match said {
            Some(Down::GivenUp(_)) | None => Self::GivenUp,
            Some(said) => Self::Another(said),
        }
    }
}

/// Both sides.
impl ParameterServer {
    /// Copies what is held here without keeping the runtime's threads busy.
    fn copy_elsewhere(&self, model: &Model) -> Checkpoint {
        blocking::run(model.shard.elements(), || self.copy(model))
    }

    /// A session that joins is known to the lead by `lead_session`.
    pub(crate) fn expect_in_cuts(&self, session: SessionId, lead_session: SessionId) {
        if self.shards() > 1 {
            self.gate.join(session, lead_session);
        }
    }

    /// Waits while a cut is made, before a gradient that begins to come takes room.
    pub(crate) async fn begin_gradient(&self, session: SessionId, sequence: u64) {
        if self.is_held_for_cuts() {
            self.gate.begin(session, sequence).await;
        }
    }

    /// Whether sessions wait while a cut is made: in the synchronous mode a cut is between two rounds.
    fn is_held_for_cuts(&self) -> bool {
        let learner = &self.experiment.learner;
        learner.shards > 1 && learner.staleness != StalenessPolicy::Synchronous
    }

    /// A gradient has been applied or refused.
    pub(super) fn passed(&self, session: SessionId, sequence: u64) {
        if self.is_held_for_cuts() {
            self.gate.done(session, sequence);
            if self.ledger.is_done() {
                self.gate.close();
            }
        }
    }
}
