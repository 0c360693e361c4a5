/// A shard that wants to belong to the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIntroduction {
    /// Where workers reach it.
    pub url: String,
    /// Which one it is, from 1.
    pub index: usize,
    /// Drawn when it started; the parameters that it held in another life are gone.
    pub life: u64,
}

/// Why a shard cannot attach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardRefused {
    /// The run has no such shard.
    #[error(
        "there is no shard {index} in a run of {count} (`learner.shards`): 0 is the lead itself; start --shard with 1 \
         to `learner.shards` less 1"
    )]
    NoPlace {
        /// Which one it would be.
        index: usize,
        /// Shards of the run.
        count: usize,
    },
    /// Somebody else is that shard.
    #[error("shard {0} is there already; start another one with another --shard")]
    Taken(usize),
    /// It takes the place of one that is gone.
    #[error(
        "shard {0} of this run is gone, and its parameters with it: this life of the run ends; start it again"
    )]
    Lost(usize),
    /// The learner is draining, or the run is over.
    #[error("the learner takes no more shards: {0}")]
    Closed(String),
}

/// Some of a run's shards are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "shard {index} of {count} is not there: start `troop-learner --shard {index} --lead` with this learner's address"
)]
pub struct ShardMissing {
    /// The first of them.
    pub index: usize,
    /// How many the run has, with the lead.
    pub count: usize,
}
