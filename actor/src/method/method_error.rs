use troop_replay::ReplayRefused;

use crate::nn::ModelError;

/// Why a method cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// Its network cannot be made.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A worker's own replay cannot be made.
    #[error(transparent)]
    Replay(#[from] ReplayRefused),
    /// It cannot take these actions.
    #[error(
        "method `{method}` needs discrete actions; the environment takes {found}: use method `a3c`"
    )]
    NeedsDiscreteActions {
        /// The method.
        method: &'static str,
        /// What the environment takes.
        found: String,
    },
    /// It learns from its own worker's experience alone.
    #[error(
        "the method learns from its own worker's experience alone: set `topology.trainers` to 0"
    )]
    SharesNothing,
    /// It takes one choice or real numbers, and not several choices at once.
    #[error(
        "method `{method}` needs one discrete choice or real numbers; the environment takes {found}: use method `a3c`"
    )]
    SeveralChoices {
        /// The method.
        method: &'static str,
        /// What the environment takes.
        found: String,
    },
}
