//! Networks on the flat parameter vector.

mod action_head;
mod body;
mod layer;
mod lstm;
mod network;
mod parameters;

pub use network::{Head, ModelError, Network, Outputs, Role};
pub use parameters::Parameters;
