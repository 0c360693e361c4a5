//! From a checkpoint to a parameter server, and back.

use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::weights::Target;

use super::{Beginning, Checkpoint, CheckpointState, ParameterServer};
use crate::answers::ResumeError;
use crate::ledger::Carried;
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
        if experiment.learner.shards > 1 {
            return Err(ResumeError::Sharded(experiment.learner.shards));
        }
        let optimizer = optimizer_state(&experiment, &checkpoint)?;
        refuse_other_observations(&experiment, &checkpoint)?;
        let state = checkpoint.state;
        let carried = Carried {
            counters: state.counters,
            observations: checkpoint.observations,
        };
        let server = Self::begin(experiment, metrics, epoch, carried);
        let target = checkpoint.target.map(|parameters| Target {
            taken_at_version: state.target_taken_at_version.unwrap_or(state.version),
            parameters,
        });
        server.metrics().version.set(of_count(state.version));
        server.make_model(Beginning {
            layout: state.layout,
            parameters: checkpoint.parameters,
            optimizer,
            version: state.version,
            target,
        });
        server.ledger.finish_if_done();
        Ok(server)
    }

    /// Everything that a restart needs; none before the first session has opened, nor of a run with several shards: nobody
    /// has all of its parameters.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        if self.shards() > 1 {
            return None;
        }
        let model = self.model.get()?;
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
        Some(checkpoint.with_target(newest.and_then(|weights| weights.target.clone())))
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

/// The vectors that the experiment's optimiser goes on with.
fn optimizer_state(
    experiment: &Experiment,
    checkpoint: &Checkpoint,
) -> Result<Vec<Vec<f32>>, ResumeError> {
    let vector = |name: &&str| {
        let found = checkpoint.optimizer.get(*name).cloned();
        found.ok_or_else(|| ResumeError::NoOptimizerState {
            missing: (*name).to_owned(),
            found: checkpoint
                .optimizer
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        })
    };
    kept_names(experiment).iter().map(vector).collect()
}
