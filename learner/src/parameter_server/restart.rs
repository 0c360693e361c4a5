//! From a checkpoint to a parameter server, and back.

use std::ops::Range;
use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::shard_ranges::shard_ranges;

use super::model::Model;
use super::{Checkpoint, CheckpointState, ParameterServer};
use crate::answers::ResumeError;
use crate::ledger::Carried;
use crate::lock::lock;
use crate::metrics::{Metrics, of_count};
use crate::optimizer::kept_names;

impl ParameterServer {
    /// A run that goes on from `checkpoint`, one epoch later.
    ///
    /// # Errors
    /// If the checkpoint lacks what the run's optimiser needs.
    pub fn resume(
        experiment: Experiment,
        metrics: Metrics,
        checkpoint: Checkpoint,
    ) -> Result<Self, ResumeError> {
        let epoch = checkpoint.state.epoch + 1;
        Self::in_life(experiment, metrics, epoch, Some(checkpoint))
    }

    /// A given life of a run, from a checkpoint of an earlier one if there is any. A life that
    /// ended without a checkpoint counts too: its gradients must not be admitted in the next.
    ///
    /// # Errors
    /// If the checkpoint lacks what the run's optimiser needs.
    pub fn in_life(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Self, ResumeError> {
        let Some(checkpoint) = checkpoint else {
            return Ok(Self::begin(experiment, metrics, epoch, Carried::default()));
        };
        refuse_other_observations(&experiment, &checkpoint)?;
        let (shards, whole) = (experiment.learner.shards, checkpoint.state.layout.len());
        let ranges = shard_ranges(whole, shards)?;
        let carried = Carried {
            counters: checkpoint.state.counters.clone(),
            observations: checkpoint.observations.clone(),
        };
        let kept = kept_vectors(&experiment, checkpoint)?;
        let server = Self::begin(experiment, metrics, epoch, carried);
        server.metrics().version.set(of_count(kept.state.version));
        server.go_on(kept, &ranges);
        server.ledger.finish_if_over();
        Ok(server)
    }

    /// Makes the model of this shard's part of a checkpoint; if there are others they begin with theirs.
    fn go_on(&self, mut checkpoint: Checkpoint, ranges: &[Range<usize>]) {
        let layout = checkpoint.state.layout.clone();
        checkpoint.state.target_taken_at_version = checkpoint.target.as_ref().map(|_| {
            let taken = checkpoint.state.target_taken_at_version;
            taken.unwrap_or(checkpoint.state.version)
        });
        let part = match ranges {
            [_] => checkpoint.into_part(),
            _ => {
                let own = checkpoint.part(&ranges[self.shard]);
                *lock(&self.beginning) = Some(Arc::new(checkpoint));
                own
            }
        };
        self.begin_with_part(layout, part);
    }

    /// Everything that a restart needs; none before the first session has opened, nor of a run with several shards: see
    /// [`cut`](Self::cut).
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let model = self.model.get().filter(|_| self.shards() == 1);
        model.map(|model| self.copy(model))
    }

    /// What this shard holds, with the counters of its ledger.
    pub(super) fn copy(&self, model: &Model) -> Checkpoint {
        // The version is read first: a copy may hold newer updates, never fewer.
        let version = model.shard.version();
        let counters = self.progress().counters;
        let copy = model.shard.copy();
        let newest = self.published.borrow().clone();
        let names = model.shard.state_names().iter().map(ToString::to_string);
        let checkpoint = Checkpoint {
            state: CheckpointState {
                epoch: self.epoch(),
                version,
                counters,
                layout: model.layout.clone(),
                target_taken_at_version: None,
            },
            parameters: copy.parameters,
            optimizer: names.zip(copy.state).collect(),
            target: None,
            observations: self.ledger.observations().map(Arc::unwrap_or_clone),
        };
        checkpoint.with_target(newest.and_then(|weights| weights.target.clone()))
    }
}

/// Networks that were trained on normalised observations are of no use with raw ones, and the other
/// way round.
fn refuse_other_observations(
    experiment: &Experiment,
    checkpoint: &Checkpoint,
) -> Result<(), ResumeError> {
    let environment = &experiment.environment;
    let began_with = match &checkpoint.observations {
        None => false,
        // Of a run that normalises rewards, and whose workers have told nothing yet.
        Some(moments) if environment.normalize_rewards && moments.count() == 0 => return Ok(()),
        // Behind an observation's dimensions stands the return's.
        Some(moments) => !environment.normalize_rewards || moments.mean().len() > 1,
    };
    if environment.normalize_observations == began_with {
        return Ok(());
    }
    Err(ResumeError::OtherObservations { began_with })
}

/// The checkpoint with the vectors that the experiment's optimiser goes on with, and no others.
fn kept_vectors(
    experiment: &Experiment,
    mut checkpoint: Checkpoint,
) -> Result<Checkpoint, ResumeError> {
    let kept = kept_names(experiment);
    let is_missing = |name: &&&str| !checkpoint.optimizer.contains_key(**name);
    if let Some(missing) = kept.iter().find(is_missing) {
        let found: Vec<_> = checkpoint.optimizer.into_keys().collect();
        return Err(ResumeError::NoOptimizerState {
            missing: (*missing).to_owned(),
            found: found.join(", "),
        });
    }
    let optimizer = &mut checkpoint.optimizer;
    optimizer.retain(|name, _| kept.contains(&name.as_str()));
    Ok(checkpoint)
}
