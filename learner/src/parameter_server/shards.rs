use troop_common::experiment::Experiment;

use super::ParameterServer;
use crate::ledger::Carried;
use crate::metrics::Metrics;

/// Several parameter servers hold one run's parameters.
impl ParameterServer {
    /// Shard `shard`, from 1, of a run in the life `epoch` of its lead.
    pub fn shard(experiment: Experiment, metrics: Metrics, epoch: u64, shard: usize) -> Self {
        let server = Self::begin(experiment, metrics, epoch, Carried::default());
        Self {
            shard,
            ledger: server.ledger.of_shard(),
            ..server
        }
    }

    /// Learners that the run's parameters are spread over.
    pub(crate) fn shards(&self) -> usize {
        self.experiment.learner.shards
    }

    /// The shard whose loss has ended this life of the run.
    pub fn lost_shard(&self) -> Option<usize> {
        self.ledger.lost_shard()
    }
}
