//! What a worker remembers: observations stored once, and what is sampled from them.
//!
//! **Architecture Invariant:** the size of a replay is fixed when it is made. Memory is taken block by block as it
//! fills, and never beyond that.

pub mod available_memory;
mod blocks;
mod frames;
mod n_step;
mod segments;
mod sum_tree;
mod transitions;

pub use frames::{ObservationId, ObservationStore, stack};
pub use n_step::{NStep, Transition};
pub use segments::{SegmentReplay, SegmentShape};
pub use sum_tree::SumTree;
pub use transitions::{Batch, ReplayShape, TransitionReplay};
