use troop_common::shard_ranges::TooManyShards;

/// Why a run cannot go on from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The run's optimiser needs state that the checkpoint does not have.
    #[error(
        "the checkpoint has no optimiser state `{missing}` (it has: {found}), which \
         `optimizer.name` or `learner.compensation_form` needs: resume with those that the run began with, \
         or start a new run"
    )]
    NoOptimizerState {
        /// The first vector that is missing.
        missing: String,
        /// Those there are.
        found: String,
    },
    /// There are fewer parameters than shards.
    #[error(transparent)]
    Shards(#[from] TooManyShards),
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
