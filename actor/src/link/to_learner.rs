use std::sync::Arc;

use troop_common::layout::Layout;
use troop_common::weights::Weights;

use super::closed::LinkClosed;
use super::contribution::Contribution;

/// All that a worker knows of the learner. Calls block the worker's thread.
pub trait Link: Send {
    /// Says what the worker's parameters look like; called once, before anything else.
    ///
    /// # Errors
    /// If the learner's are different, or there is no learner.
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed>;

    /// The newest weights that have reached this side; waits for the first ones, for the worker's turn
    /// if workers take turns, and while the learner is away.
    ///
    /// # Errors
    /// If the run is over or the learner stays away too long.
    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed>;

    /// Sends a contribution; waits while too many are unanswered. What became of it reaches the
    /// metrics, not the worker. The buffer may be taken and another left in its place.
    ///
    /// # Errors
    /// If the run is over or the learner stays away too long.
    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed>;
}
