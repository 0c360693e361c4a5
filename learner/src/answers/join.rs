use troop_common::role::Role;

use super::session_view::SessionId;

/// A worker that wants to take part in the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerIntroduction {
    /// What it is called in logs.
    pub name: String,
    /// Whence it calls.
    pub peer: String,
    /// What it does.
    pub role: Role,
    /// Drawn when it started, if it was: what it is known by after a lost connection, with name and role.
    pub life: u64,
}

/// What a worker learns when it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its session.
    pub session: SessionId,
    /// The learner's life within the run.
    pub epoch: u64,
    /// Smallest index that no other live session of its role holds.
    pub worker_index: u32,
}

/// Why a worker cannot join.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// There are as many as the learner takes.
    #[error("the learner has {0} sessions, as many as learner.max_sessions allows")]
    Full(usize),
    /// It is draining, or the run is over.
    #[error("the learner takes no more sessions: {0}")]
    Closed(String),
}
