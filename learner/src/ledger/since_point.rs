use troop_common::finite::Finite;

use super::staleness::{StalenessCounts, StalenessSummary};
use super::update::Update;

/// Updates since the last point of the history.
#[derive(Debug, Default)]
pub(crate) struct SincePoint {
    staleness: StalenessCounts,
    updates: u64,
    norm_sum: f64,
}

impl SincePoint {
    /// Counts an update.
    pub(crate) fn record(&mut self, update: Update) {
        self.updates += 1;
        self.norm_sum += update.norm;
        for _ in 0..update.gradients {
            self.staleness.record(update.staleness);
        }
    }

    /// Whether there was an update.
    pub(crate) fn any(&self) -> bool {
        self.updates > 0
    }

    /// Staleness of the updates' gradients.
    pub(crate) fn staleness(&self) -> StalenessSummary {
        self.staleness.summary()
    }

    /// Mean norm of their gradients; none if there was no update.
    pub(crate) fn norm_mean(&self) -> Option<Finite> {
        let mean = self.norm_sum / self.updates as f64;
        Finite::new(mean).filter(|_| self.updates > 0)
    }
}
