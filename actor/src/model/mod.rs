//! Networks on the flat parameter vector.

mod layer;
mod network;
mod parameters;

pub use network::{Head, ModelError, Network};
pub use parameters::Parameters;
