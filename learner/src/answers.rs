//! What a parameter server answers to those who call it.

use troop_common::proto::v1::Verdict;

use crate::session::SessionId;

/// Where a learner is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It admits gradients.
    Running,
    /// It goes away and may come back: no gradient is admitted any more.
    Draining(String),
    /// The run is over.
    Finished(String),
}

/// What a worker learns when it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its session.
    pub session: SessionId,
    /// The learner's life within the run.
    pub epoch: u64,
    /// Smallest index that no other live session holds.
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

/// Why a session cannot open its stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No such session in this life of the run.
    #[error("session {0} is not known in this life of the run; join again")]
    UnknownSession(SessionId),
    /// Its parameters look different from the run's.
    #[error(
        "the layout's fingerprint is {found}; the run has {expected}: environment, model or software differ"
    )]
    WrongLayout {
        /// The run's.
        expected: String,
        /// The session's.
        found: String,
    },
}

/// What became of a gradient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What was wrong; empty where it was applied.
    pub detail: String,
}
