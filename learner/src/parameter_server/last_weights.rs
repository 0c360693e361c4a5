//! What a run ended with, for a last evaluation.

use std::sync::Arc;

use troop_common::weights::Weights;

use super::ParameterServer;
use crate::answers::Phase;

impl ParameterServer {
    /// The weights that the run ended with, those of its last checkpoint: once it is over, and no open session is left
    /// that trains. None before.
    pub fn last_weights(&self) -> Option<Weights> {
        let is_over = matches!(&*self.phase().borrow(), Phase::Finished(_));
        if !is_over || self.ledger.sessions().open().training() > 0 {
            return None;
        }
        let shard = &self.model.get()?.shard;
        Some(Weights {
            epoch: self.epoch(),
            version: shard.version(),
            env_steps: self.ledger.steps().0,
            parameters: Arc::new(shard.copy().parameters),
            target: None,
            observations: self.ledger.observations(),
        })
    }
}
