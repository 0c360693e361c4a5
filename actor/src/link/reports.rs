use troop_common::proto::v1::Report;

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
}
