/// A replay that wants to belong to the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayIntroduction {
    /// Where workers reach it.
    pub url: String,
    /// Drawn when it started; what it held in another life is gone.
    pub life: u64,
    /// The index that it was told before, if it was.
    pub index: Option<usize>,
}

/// A replay's place in the run, until it detaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its index, below `topology.replays`.
    pub index: usize,
    /// No other attachment of this life of the learner has it.
    pub number: u64,
}

/// Why a replay cannot attach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The run has none.
    #[error(
        "the run has no replay: its workers learn from their own experience (`topology.trainers` is 0). Start the \
         learner with --set topology.trainers=N, N ≥ 1"
    )]
    NoPlace,
    /// All of them are there.
    #[error("the run has all of its {0} replays; `topology.replays` says how many")]
    Full(usize),
    /// The learner is draining, or the run is over.
    #[error("the learner takes no more replays: {0}")]
    Closed(String),
}

/// Some of a run's replays are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "replay {index} of {expected} is not there: start `troop-replay --learner` with this learner's address"
)]
pub struct ReplayMissing {
    /// The first of them.
    pub index: usize,
    /// How many the run has.
    pub expected: usize,
}
