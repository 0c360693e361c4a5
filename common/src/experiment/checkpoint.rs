use serde::{Deserialize, Serialize};

use super::violation::Violations;

/// `[checkpoint]`: what is saved, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointSettings {
    /// Seconds between two checkpoints; one is written at the end in any case.
    pub interval_s: u64,
    /// Newest checkpoints that are kept.
    pub keep: usize,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self {
            interval_s: 60,
            keep: 3,
        }
    }
}

impl CheckpointSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            self.interval_s >= 1,
            "checkpoint.interval_s",
            "must be above 0: the learner would write and do nothing else",
        );
        violations.expect(
            self.keep >= 1,
            "checkpoint.keep",
            "must be at least 1: the run could not be resumed",
        );
    }
}
