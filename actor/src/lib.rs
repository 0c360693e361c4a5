//! Troop's actors: environments, models, methods, and the workers that put them together.
//!
//! **Architecture Invariant:** this crate alone uses libtorch, on one compute thread a worker, and
//! it never imports the learner: a worker knows the learner through [`link::Link`] only.

mod backlog;
mod clipping;
mod divergence;
pub mod environment;
pub mod episodes;
pub mod evaluation;
pub mod link;
pub mod memory;
pub mod method;
pub mod metrics;
pub mod model;
pub mod normalizer;
mod push_delay;
pub mod replay;
mod reward_shaping;
pub mod segment;
pub mod worker;
#[cfg(test)]
mod worker_tests;
