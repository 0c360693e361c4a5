use super::CUT_PATIENCE;

/// Why there is no checkpoint of all shards; the run goes on, and another try may succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutFailed {
    /// A shard is not connected, or was lost on the way.
    #[error(
        "shard {0} is not there, so that there is no checkpoint of all shards; another try follows"
    )]
    Gone(usize),
    /// A shard, or this learner itself, did not get as far as the others, or did not say so.
    #[error(
        "shard {shard} did not {what} within {} s, so that there is no checkpoint of all shards; another try follows",
        CUT_PATIENCE.as_secs()
    )]
    Late {
        /// Which one; 0 is the lead.
        shard: usize,
        /// What it was waited for.
        what: &'static str,
    },
    /// A shard has no parameters yet, or could not take its sessions as far as others have.
    #[error("shard {0} gave the checkpoint of all shards up; another try follows")]
    GivenUp(usize),
    /// A shard sent what cannot be its part.
    #[error("shard {shard} sent what cannot be its part of a checkpoint: {why}")]
    NoPart {
        /// Which one.
        shard: usize,
        /// What is wrong with it.
        why: String,
    },
}
