use troop_replay::available_memory::ReplayTooLarge;

use super::divergence::Diverged;
use crate::environment::EnvironmentError;
use crate::evaluation::EvaluationError;
use crate::method::{MethodError, ObjectiveError};
use crate::normalization::NormalizationError;

/// Why a worker ended before the run did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its environment cannot go on.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The method or the model cannot take the environment's spaces.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The environment's observations cannot be normalised.
    #[error(transparent)]
    Normalization(#[from] NormalizationError),
    /// The learner is gone or refuses it.
    #[error("{0}")]
    Link(String),
    /// It cannot act with what was learnt.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// What it wants to remember does not fit into memory.
    #[error(transparent)]
    Replay(#[from] ReplayTooLarge),
    /// Its losses are not finite any more.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// Its method lacks what it learns from.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// The run's method has a target network, but the learner published none.
    #[error(
        "the learner published no target network; its software is older or another experiment runs there"
    )]
    NoTarget,
}
