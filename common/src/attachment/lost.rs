use crate::call_error::CallError;
use crate::dialling::NoConnection;
use crate::wire::MessagesError;
use tonic::Status;

/// How a stream to the learner ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The run is over.
    Finished(String),
    /// Another life of the run is there than a shard's.
    Replaced(String),
    /// The learner would refuse this replay each time.
    Refused(String),
    /// There is no connection any more, or yet.
    Passing(String),
}

impl From<NoConnection> for Lost {
    fn from(none: NoConnection) -> Self {
        match none {
            NoConnection::Lasting(reason) => Self::Refused(reason),
            NoConnection::Passing(reason) => Self::Passing(reason),
        }
    }
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        let reason = status.message().to_owned();
        match CallError::of(&status) {
            Some(CallError::Finished) => Self::Finished(reason),
            Some(error) if error.is_lasting() => Self::Refused(reason),
            None if status.code() == tonic::Code::Unimplemented => Self::Refused(format!(
                "no learner that knows replays answers there: {reason}"
            )),
            _ => Self::Passing(reason),
        }
    }
}

impl From<MessagesError> for Lost {
    fn from(error: MessagesError) -> Self {
        match error {
            MessagesError::Call(status) => Self::from(*status),
            MessagesError::Wire(error) => Self::Refused(error.to_string()),
        }
    }
}
