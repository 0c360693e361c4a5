use super::worker_error::WorkerError;
use crate::link::LinkClosed;

/// Why a worker's loop ended.
pub(super) enum Stop {
    /// The link has nothing more to give.
    Link(LinkClosed),
    /// The worker cannot go on.
    Worker(WorkerError),
}

impl From<LinkClosed> for Stop {
    fn from(closed: LinkClosed) -> Self {
        Self::Link(closed)
    }
}

impl From<WorkerError> for Stop {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}
