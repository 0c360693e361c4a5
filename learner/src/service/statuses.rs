//! Refusals of calls, as gRPC has them.

use tonic::Status;
use troop_common::call_error::CallError;

use crate::answers::{AttachError, JoinError, OpenError, Phase, ShardRefused};

pub(super) fn join_status(error: &JoinError, phase: &Phase) -> Status {
    match (error, phase) {
        (JoinError::Full(_), _) => CallError::Full.status(error),
        (JoinError::Closed(reason), Phase::Finished(_)) => CallError::Finished.status(reason),
        (JoinError::Closed(_), _) => CallError::Draining.status(error),
    }
}

pub(super) fn attach_status(error: &AttachError, phase: &Phase) -> Status {
    match (error, phase) {
        (AttachError::NoPlace, _) => CallError::Role.status(error),
        (AttachError::Full(_), _) => CallError::Full.status(error),
        (AttachError::Closed(reason), Phase::Finished(_)) => CallError::Finished.status(reason),
        (AttachError::Closed(_), _) => CallError::Draining.status(error),
    }
}

pub(super) fn shard_status(error: &ShardRefused, phase: &Phase) -> Status {
    match (error, phase) {
        (ShardRefused::NoPlace { .. } | ShardRefused::Lost(_), _) => CallError::Shard.status(error),
        (ShardRefused::Taken(_), _) => CallError::Full.status(error),
        (ShardRefused::Closed(reason), Phase::Finished(_)) => CallError::Finished.status(reason),
        (ShardRefused::Closed(_), _) => CallError::Draining.status(error),
    }
}

pub(super) fn open_status(error: &OpenError, phase: &Phase) -> Status {
    match (error, phase) {
        (OpenError::UnknownSession(_), _) => CallError::Session.status(error),
        (
            OpenError::WrongLayout { .. }
            | OpenError::NoMemory { .. }
            | OpenError::TooLong { .. }
            | OpenError::TooManyShards(_),
            _,
        ) => CallError::Layout.status(error),
        (OpenError::NoRoom { .. }, _) => CallError::Full.status(error),
        (OpenError::TimedOut(_), _) => CallError::OpenTimeout.status(error),
        (OpenError::Closed(reason), Phase::Finished(_)) => CallError::Finished.status(reason),
        (OpenError::Closed(_), _) => CallError::Draining.status(error),
    }
}
