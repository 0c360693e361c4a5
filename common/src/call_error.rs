//! Why the learner refuses a call: one closed table that both sides read.

use std::fmt;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Response metadata that carries [`CallError::name`].
const HEADER: &str = "troop-error";

/// Why the learner refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The caller speaks another version of the protocol.
    Protocol,
    /// The caller's parameters look different from the run's.
    Layout,
    /// The bearer token is missing or wrong.
    Token,
    /// The stream did not begin as it must, or what came later is not part of the protocol.
    Stream,
    /// The stream's first message did not come in time.
    OpenTimeout,
    /// No such session in this life of the run, or its stream is open already.
    Session,
    /// There are as many sessions, or replays, as the learner takes.
    Full,
    /// The experiment's topology has no place for what the caller does.
    Role,
    /// A replay of the run is not there yet.
    NoReplay,
    /// A shard of the run is not there yet, or is lost.
    NoShard,
    /// No worker of another role, without which the caller's work leads nowhere, has been there for long.
    Alone,
    /// The learner goes away and may come back.
    Draining,
    /// The run is over.
    Finished,
    /// There can be no such replay, or it is another than that of the others.
    Replay,
    /// The run has no place for such a shard.
    Shard,
}

impl CallError {
    /// The whole table.
    pub const ALL: [Self; 15] = [
        Self::Protocol,
        Self::Layout,
        Self::Token,
        Self::Stream,
        Self::OpenTimeout,
        Self::Session,
        Self::Full,
        Self::Role,
        Self::NoReplay,
        Self::NoShard,
        Self::Alone,
        Self::Draining,
        Self::Finished,
        Self::Replay,
        Self::Shard,
    ];

    /// What it is called on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Layout => "layout",
            Self::Token => "token",
            Self::Stream => "stream",
            Self::OpenTimeout => "open-timeout",
            Self::Session => "session",
            Self::Full => "full",
            Self::Role => "role",
            Self::NoReplay => "no-replay",
            Self::NoShard => "no-shard",
            Self::Alone => "alone",
            Self::Draining => "draining",
            Self::Finished => "finished",
            Self::Replay => "replay",
            Self::Shard => "shard",
        }
    }

    /// The gRPC code that it travels under.
    pub fn code(self) -> Code {
        match self {
            Self::Protocol
            | Self::Layout
            | Self::Role
            | Self::Alone
            | Self::Finished
            | Self::Replay
            | Self::Shard => Code::FailedPrecondition,
            Self::Token => Code::Unauthenticated,
            Self::Stream => Code::InvalidArgument,
            Self::OpenTimeout => Code::DeadlineExceeded,
            Self::Session => Code::NotFound,
            Self::Full => Code::ResourceExhausted,
            Self::NoReplay | Self::NoShard | Self::Draining => Code::Unavailable,
        }
    }

    /// Whether the same caller would be refused again however long it waits.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::Protocol
            | Self::Layout
            | Self::Token
            | Self::Stream
            | Self::Role
            | Self::Alone
            | Self::Finished
            | Self::Replay
            | Self::Shard => true,
            Self::OpenTimeout
            | Self::Session
            | Self::Full
            | Self::NoReplay
            | Self::NoShard
            | Self::Draining => false,
        }
    }

    /// The answer to the call.
    pub fn status(self, message: impl fmt::Display) -> Status {
        let mut status = Status::new(self.code(), message.to_string());
        let name = MetadataValue::from_static(self.name());
        status.metadata_mut().insert(HEADER, name);
        status
    }

    /// Reads an answer; none if it does not come from this table, e.g. from a proxy.
    pub fn of(status: &Status) -> Option<Self> {
        let name = status.metadata().get(HEADER)?.to_str().ok()?;
        Self::ALL.into_iter().find(|error| error.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_survives_the_wire_and_names_are_distinct() {
        for error in CallError::ALL {
            let status = error.status("why");
            assert_eq!(CallError::of(&status), Some(error));
            assert_eq!((status.code(), status.message()), (error.code(), "why"));
        }
        assert_eq!(CallError::of(&Status::unavailable("a proxy's")), None);
    }
}
