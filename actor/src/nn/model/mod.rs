//! Networks on the flat parameter vector.

mod action_head;
mod body;
mod error;
mod head;
mod layer;
mod lstm;
mod network;
mod outputs;
mod parameters;

pub use error::ModelError;
pub use head::{Head, HeadKind};
pub use network::Network;
pub use outputs::Outputs;
pub use parameters::Parameters;
