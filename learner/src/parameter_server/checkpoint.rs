use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::weights::Target;

use crate::cut::Part;
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

    /// The same with what the next shard holds behind it.
    ///
    /// # Errors
    /// If the part has other vectors.
    pub(crate) fn append(&mut self, part: Part) -> Result<(), &'static str> {
        let target = self.target.as_mut().map(Arc::make_mut);
        let own = std::iter::once(&mut self.parameters)
            .chain(self.optimizer.values_mut())
            .chain(target);
        let mut own: Vec<&mut Vec<f32>> = own.collect();
        if own.len() != part.vectors.len() {
            return Err("it has a target network, or has none, other than the lead");
        }
        for (own, further) in own.iter_mut().zip(part.vectors) {
            own.extend(further);
        }
        Ok(())
    }

    /// What a shard holds that has `range` of the vectors.
    pub(crate) fn part(&self, range: &Range<usize>) -> Part {
        let target = self.target.as_deref();
        let vectors = std::iter::once(&self.parameters);
        let vectors = vectors.chain(self.optimizer.values()).chain(target);
        Part {
            version: self.state.version,
            target_taken_at_version: self.state.target_taken_at_version,
            vectors: vectors
                .map(|vector| vector[range.clone()].to_vec())
                .collect(),
        }
    }

    /// As one shard's part of a cut: the vectors that it holds, in the order of a part.
    pub(crate) fn into_part(self) -> Part {
        let target = self.target.map(Arc::unwrap_or_clone);
        let vectors = std::iter::once(self.parameters);
        let vectors = vectors.chain(self.optimizer.into_values()).chain(target);
        Part {
            version: self.state.version,
            target_taken_at_version: self.state.target_taken_at_version,
            vectors: vectors.collect(),
        }
    }
}
