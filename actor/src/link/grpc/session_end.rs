use std::error::Error;

use tonic::{Code, Status};
use troop_common::call_error::CallError;
use troop_common::causes::with_causes;
use troop_common::dialling::NoConnection;

/// How a session ends.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The worker left.
    Left,
    /// The run is over.
    Finished(String),
    /// The learner would refuse this worker each time.
    Refused(String),
    /// There is no connection any more, or yet.
    Lost(String),
}

impl From<Status> for SessionEnd {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match CallError::of(&status) {
            Some(CallError::Finished) => Self::Finished(message),
            Some(error) if error.is_lasting() => Self::Refused(message),
            Some(_) => Self::Lost(message),
            // Not the learner's own words: a proxy's, another service's, or the transport's.
            None => match status.code() {
                Code::Unimplemented | Code::Unauthenticated | Code::PermissionDenied => {
                    Self::Refused(format!("no learner answers there: {message}"))
                }
                _ => Self::Lost(transport(message, &status)),
            },
        }
    }
}

impl From<NoConnection> for SessionEnd {
    fn from(none: NoConnection) -> Self {
        match none {
            NoConnection::Lasting(reason) => Self::Refused(reason),
            NoConnection::Passing(reason) => Self::Lost(reason),
        }
    }
}

impl From<Box<Status>> for SessionEnd {
    fn from(status: Box<Status>) -> Self {
        Self::from(*status)
    }
}

/// What the transport says, with its causes; a status's own text tells more than one reads.
fn transport(message: String, status: &Status) -> String {
    match status.source() {
        Some(cause) => format!("{message}: {}", with_causes(cause)),
        None => message,
    }
}
