use troop_common::dialling::Dial;
use troop_common::experiment::ActorSettings;

/// Whom a replay attaches to, and as what.
#[derive(Clone, Debug)]
pub struct AttachmentSettings {
    /// The learner.
    pub learner: Dial,
    /// Where workers reach the replay.
    pub url: String,
    /// Drawn when the replay started; what it held in another life is gone.
    pub life: u64,
    /// How long and how often the learner is looked for until it has said what the experiment's `[actor]` is.
    pub actor: ActorSettings,
    /// Of the jitter in the pauses between tries.
    pub jitter_seed: u64,
}
