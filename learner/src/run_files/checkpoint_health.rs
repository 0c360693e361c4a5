use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// Whether the run's last checkpoint could be written, for those who ask from elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckpointHealth {
    failure: Arc<Mutex<Option<String>>>,
}

impl CheckpointHealth {
    /// Why the last one could not be written; none if it could, or if there has been none.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    pub(crate) fn set(&self, failure: Option<String>) {
        *lock(&self.failure) = failure;
    }
}
