use rand_chacha::ChaCha8Rng;

use super::batch::Batch;
use super::loss::Loss;
use super::networks::Networks;
use super::objective_error::ObjectiveError;
use crate::nn::Parameters;

/// Turns a batch of experience into a loss; parameters are passed in.
pub trait Objective: Send {
    /// Other weights were loaded: `updates` newer than the last ones, none if those were of
    /// another life of the run, or if there were none.
    fn weights_loaded(&mut self, _online: &Parameters, _updates: Option<u64>) {}

    /// The loss of a batch, as a function of the online parameters.
    ///
    /// # Errors
    /// If it needs networks or experience that it was not given.
    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError>;
}
