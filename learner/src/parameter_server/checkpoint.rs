use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::weights::Target;

use crate::ledger::counters::Counters;

/// Counters and names that go with a checkpoint's tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// The life that wrote it.
    pub epoch: u64,
    /// Updates applied.
    pub version: u64,
    /// What the run has done so far.
    pub counters: Counters,
    /// Names, shapes and order of the parameters.
    pub layout: Layout,
    /// Version at which the target network was taken, if there is one.
    pub target_taken_at_version: Option<u64>,
}

/// Everything that a restart needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Counters and names.
    pub state: CheckpointState,
    /// The flat parameter vector.
    pub parameters: Vec<f32>,
    /// The optimiser's vectors by name.
    pub optimizer: BTreeMap<String, Vec<f32>>,
    /// The target network's parameters.
    pub target: Option<Arc<Vec<f32>>>,
    /// Moments of the run's observations, if they are normalised.
    pub observations: Option<Moments>,
}

impl Checkpoint {
    /// The same with a target network.
    pub(crate) fn with_target(mut self, target: Option<Target>) -> Self {
        self.state.target_taken_at_version = target.as_ref().map(|target| target.taken_at_version);
        self.target = target.map(|target| target.parameters);
        self
    }
}
