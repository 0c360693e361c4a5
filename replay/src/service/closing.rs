use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use troop_common::call_error::CallError;
use troop_common::wire::Outgoing;

use crate::replay::ReplayError;

/// Who has not read its last messages by then is not told why its stream ends.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(400);

/// Ends a stream with the reason.
pub(super) async fn end(answers: &mpsc::Sender<Result<Outgoing, Status>>, why: Status) {
    // Who does not read it is gone.
    let _ = timeout(LAST_WORD_LIMIT, answers.send(Err(why))).await;
}

/// How a stream ends that asked for what the replay does not do.
pub(super) fn status_of(error: &ReplayError) -> Status {
    match error {
        ReplayError::Closed => CallError::Draining.status(error),
        ReplayError::NoSuchWriter(_) => CallError::Session.status(error),
        ReplayError::TooManyEnvironments { .. } => CallError::Full.status(error),
        ReplayError::Segment(_) | ReplayError::TooMuch { .. } => CallError::Stream.status(error),
    }
}

/// Why a replay closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It goes away, and another may come.
    Draining(String),
    /// The run is over.
    Finished(String),
}

impl Closing {
    /// What callers are told.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Draining(reason) => CallError::Draining.status(reason),
            Self::Finished(reason) => CallError::Finished.status(reason),
        }
    }
}
