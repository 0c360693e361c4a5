use crate::dialling::Dial;
use crate::experiment::ActorSettings;

/// Whom a replay or a shard attaches to, and as what.
#[derive(Clone, Debug)]
pub struct AttachmentSettings {
    /// The learner.
    pub learner: Dial,
    /// Which shard attaches; none if it is a replay.
    pub shard: Option<usize>,
    /// Where workers reach it.
    pub url: String,
    /// Drawn when it started; what it held in another life is gone.
    pub life: u64,
    /// How long and how often the learner is looked for until it has said what the experiment's `[actor]` is.
    pub actor: ActorSettings,
    /// Of the jitter in the pauses between tries.
    pub jitter_seed: u64,
}
