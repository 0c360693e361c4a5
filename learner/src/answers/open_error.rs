use troop_common::shard_ranges::TooManyShards;

use super::session_view::SessionId;

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
    /// The run's first layout cannot be spread over its shards.
    #[error(transparent)]
    TooManyShards(#[from] TooManyShards),
    /// Somebody else's layout is still being drawn.
    #[error("the run's first parameters were not drawn within {0} s; try again")]
    TimedOut(u64),
    /// The learner is draining, or the run is over.
    #[error("the learner opens no more sessions: {0}")]
    Closed(String),
}
