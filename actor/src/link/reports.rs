use std::sync::Arc;

use troop_common::proto::v1::Report;
use troop_common::weights::Weights;

use super::closed::LinkClosed;
use super::to_learner::Link;

/// What a worker that only acts asks of the way to the learner: nobody sends gradients with what it
/// reports.
pub trait ReportLink: Link {
    /// Tells what happened in a segment. `epoch` is the learner's life that its weights came from.
    ///
    /// # Errors
    /// If the run is over, or the learner stays away too long or refuses what it is told.
    fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed>;

    /// The weights that the run ended with, once it is over; none while others still work on them.
    ///
    /// # Errors
    /// If this side does not get them, or nobody waits any more for what would come of them.
    fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        let reason = "the weights that a run ended with do not come this way";
        Err(LinkClosed::Finished(reason.into()))
    }
}
