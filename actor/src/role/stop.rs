use super::worker_error::WorkerError;
use crate::link::LinkClosed;

/// Why a worker's loop ended.
pub(super) enum Stop {
    /// The link has nothing more to give.
    Link(LinkClosed),
    /// The worker cannot go on.
    Worker(WorkerError),
}

impl Stop {
    /// How the worker ended: well, if the run is over.
    pub(super) fn into_result(self) -> Result<(), WorkerError> {
        match self {
            Self::Link(closed) => closed.into_result().map_err(WorkerError::Link),
            Self::Worker(error) => Err(error),
        }
    }
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
