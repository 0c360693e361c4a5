//! Networks and distributions on libtorch, and tensors of what was lived through.

mod device;
pub mod distribution;
mod model;
mod tensors;

pub use device::use_one_thread;
pub use model::{Head, HeadKind, ModelError, Network, Outputs, Parameters};
pub use tensors::{Observed, masks, observations, state, to_vec};
