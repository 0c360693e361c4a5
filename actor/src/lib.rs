//! Troop's actors: environments, networks, methods, and the workers that put them together.
//!
//! **Architecture Invariant:** a worker computes on one thread, `nn/torch` alone uses libtorch, and nothing
//! here imports the learner: a worker knows it through [`link::Link`] only.

mod discounted_returns;
pub mod environment;
pub mod episodes;
pub mod evaluation;
pub mod link;
pub mod method;
pub mod metrics;
pub mod nn;
pub mod normalization;
pub mod normalizer;
mod reward_shaping;
pub mod role;
pub mod score;
