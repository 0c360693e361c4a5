use tokio::sync::watch;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::shard_ranges::shard_ranges;

use super::ParameterServer;
use crate::cut::Part;
use crate::ledger::Carried;
use crate::lock::lock;
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
    pub fn shards(&self) -> usize {
        self.experiment.learner.shards
    }

    /// Whether the other shards begin with what the lead sends them.
    pub(crate) fn goes_on(&self) -> bool {
        lock(&self.beginning).is_some()
    }

    /// What `shard` begins with, and the layout of the whole; none if it draws that.
    pub(crate) fn beginning_of(&self, shard: usize) -> Option<(Part, Layout)> {
        let whole = lock(&self.beginning).clone()?;
        let layout = whole.state.layout.clone();
        let ranges = shard_ranges(layout.len(), self.shards()).ok()?;
        Some((whole.part(ranges.get(shard)?), layout))
    }

    /// `shard` has what it begins with. Once all have, nothing is kept for them.
    pub(crate) fn has_begun(&self, shard: usize) {
        if self.ledger.shard_has_begun(shard) {
            lock(&self.beginning).take();
        }
    }

    /// Why the run is over, once it is but for its last checkpoint: a run of several shards waits for that.
    pub fn done(&self) -> watch::Receiver<Option<String>> {
        self.ledger.done()
    }

    /// The shard whose loss has ended this life of the run.
    pub fn lost_shard(&self) -> Option<usize> {
        self.ledger.lost_shard()
    }
}
