//! Networks, what computes them, and the distributions that their outputs describe.
//!
//! A [`Network`] says what is computed, a [`Model`] computes it: its outputs, and from a loss's gradient
//! at those the gradient of the parameters.

mod backend;
pub mod distribution;
mod input;
mod model;
#[cfg(test)]
mod model_tests;
mod native;
mod network;
mod normalizing_model;
mod outputs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "torch")]
mod torch;

pub use backend::{ModelBackend, use_one_thread};
pub use input::{Done, Input};
pub use model::Model;
pub use native::peak_multiply_adds;
pub use network::{Arithmetic, Head, HeadKind, ModelError, Network, PreviousStep};
pub use normalizing_model::NormalizingModel;
pub use outputs::{OutputGradients, Outputs};
