//! What a parameter server answers to those who call it.

use troop_common::proto::v1::Verdict;

use crate::ledger::session::SessionId;
use crate::shard::memory_need::TooLarge;

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

impl Phase {
    /// What the phases are called in metrics and in `/api/status`.
    pub const NAMES: [&str; 3] = ["running", "draining", "finished"];

    /// What this one is called there.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining(_) => "draining",
            Self::Finished(_) => "finished",
        }
    }
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
    /// A round needs one gradient of every session at once, and they would not fit.
    #[error(
        "a round of {sessions} sessions needs {needed_bytes} bytes for gradients; \
         learner.bytes_in_flight allows {budget_bytes}: raise it, or use fewer workers"
    )]
    NoRoom {
        /// Open sessions, with this one.
        sessions: usize,
        /// Bytes of all their gradients.
        needed_bytes: u64,
        /// Bytes that are allowed.
        budget_bytes: u64,
    },
    /// The run's first layout needs more memory than there is.
    #[error(
        "a network of {elements} parameters needs {needed_bytes} bytes at the learner, for parameters, \
         optimiser state, publishes and a checkpoint's copy; this machine has {available_bytes} left \
         for them: use a smaller network, or another machine"
    )]
    NoMemory {
        /// Elements of the parameter vector.
        elements: u64,
        /// Bytes of all that is kept.
        needed_bytes: u64,
        /// Bytes that there are for it.
        available_bytes: u64,
    },
    /// Its parameters would take minutes to draw.
    #[error(
        "the first parameters of this network ({elements} of them) would take minutes to draw: use \
         narrower layers, or model.initialization = \"torch\""
    )]
    TooLong {
        /// Elements of the parameter vector.
        elements: u64,
    },
    /// Somebody else's layout is still being drawn.
    #[error("the run's first parameters were not drawn within {0} s; try again")]
    TimedOut(u64),
    /// The learner is draining, or the run is over.
    #[error("the learner opens no more sessions: {0}")]
    Closed(String),
}

impl From<TooLarge> for OpenError {
    fn from(error: TooLarge) -> Self {
        Self::NoMemory {
            elements: error.elements,
            needed_bytes: error.needed_bytes,
            available_bytes: error.available_bytes,
        }
    }
}

/// Why a run cannot go on from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The run's optimiser needs state that the checkpoint does not have.
    #[error(
        "the checkpoint has no optimiser state `{missing}` (it has: {found}), which \
         `optimizer.name` needs: resume with the optimiser that the run began with, or start a new run"
    )]
    NoOptimizerState {
        /// The first vector that is missing.
        missing: String,
        /// Those there are.
        found: String,
    },
    /// Its network was trained on other observations.
    #[error(
        "the run began with environment.normalize_observations = {began_with}: its network knows no \
         other observations; resume with that, or start a new run"
    )]
    OtherObservations {
        /// Whether observations were normalised when the checkpoint was written.
        began_with: bool,
    },
}

/// What became of a gradient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What was wrong; empty where it was applied.
    pub detail: String,
    /// The learner's version when it answers: an applied gradient is part of it. Where a round was
    /// closed without the gradient, the version that its session should compute the next one on.
    pub version: u64,
    /// Whether the session is to end: what it said cannot be true.
    pub ends_session: bool,
}
