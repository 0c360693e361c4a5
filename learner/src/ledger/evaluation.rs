use serde::{Deserialize, Serialize};
use troop_common::finite::Finite;
use troop_common::proto::v1;

/// What whole episodes came to that were acted apart from training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Time that the run had been going on when it was reported, in seconds, earlier lives included.
    pub wall_seconds: f64,
    /// Env steps that the run had taken when its weights were published.
    pub env_steps: u64,
    /// Version of these weights.
    pub version: u64,
    /// Whole episodes.
    pub episodes: u64,
    /// Mean of their raw returns.
    pub return_mean: Finite,
    /// Standard deviation of these.
    pub return_std: Finite,
    /// Mean length in env steps.
    pub length_mean: Finite,
}

impl Evaluation {
    /// What `message` says; none if one of its numbers is infinite or NaN.
    pub(crate) fn of(message: &v1::Evaluation, wall_seconds: f64) -> Option<Self> {
        Some(Self {
            wall_seconds,
            env_steps: message.env_steps,
            version: message.version,
            episodes: message.episodes,
            return_mean: Finite::new(message.return_mean)?,
            return_std: Finite::new(message.return_std)?,
            length_mean: Finite::new(message.length_mean)?,
        })
    }
}
