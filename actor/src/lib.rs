//! Troop's actors: environments, networks, methods, and the workers that put them together.
//!
//! **Architecture Invariant:** this crate alone uses libtorch, on one compute thread a worker, and
//! it never imports the learner: a worker knows the learner through [`link::Link`] only.

pub mod environment;
pub mod episodes;
pub mod evaluation;
pub mod link;
pub mod method;
pub mod metrics;
pub mod nn;
pub mod normalizer;
pub mod role;
