use super::session_view::SessionId;

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
