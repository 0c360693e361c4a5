use rand_chacha::ChaCha8Rng;

use super::batch::Batch;
use super::loss::Loss;
use super::networks::Networks;
use super::objective_error::ObjectiveError;
use crate::normalization::Normalization;

/// Turns a batch of experience into a loss, and says what its gradient is at the outputs of the online
/// network: that carries it to the parameters. Networks are passed in.
pub trait Objective: Send {
    /// Other weights were loaded, the flat vector `online`: `updates` newer than the last ones, none if
    /// those were of another life of the run, or if there were none.
    fn weights_loaded(&mut self, _online: &[f32], _updates: Option<u64>) {}

    /// Observations are shown to networks so from now on: those of its own have to be told. Never called if observations are used
    /// as they are.
    fn normalized_by(&mut self, _normalization: &Normalization) {}

    /// The loss of a batch. The online network's last forward pass is the one that its gradients are of.
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
