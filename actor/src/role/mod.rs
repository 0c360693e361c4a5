//! What workers do. A role composes a method's parts with environments and a link.

mod act;
#[cfg(test)]
mod act_tests;
mod acting;
mod backlog;
mod bundled;
#[cfg(test)]
mod bundled_tests;
mod clipping;
mod divergence;
mod evaluate;
#[cfg(test)]
mod evaluate_tests;
mod identity;
mod loaded_weights;
#[cfg(test)]
mod normalization_tests;
mod own_statistics;
mod push_delay;
#[cfg(test)]
mod rescaling_tests;
mod stop;
mod timed;
mod train;
mod training;
mod worker_error;
mod worker_parts;
mod working;

pub use act::Act;
pub use bundled::Bundled;
pub use divergence::Diverged;
pub use evaluate::Evaluate;
pub use identity::{Identity, seed_beside, worker_seed};
pub use train::Train;
pub use worker_error::WorkerError;
