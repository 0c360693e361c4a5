//! Replay memories: observations stored once, and what is drawn from them.
//!
//! **Architecture Invariant:** this crate has no libtorch. What it takes and gives are plain numbers.
//!
//! **Architecture Invariant:** the size of a replay is fixed when it is made. Memory is taken block by block as it
//! fills, and never beyond that.

pub mod available_memory;
mod blocks;
mod n_step;
mod observation_id;
mod observation_store;
mod priorities;
mod segment_replay;
mod segment_shape;
mod stack;
mod stream;
mod sum_tree;
mod transition;
mod transition_replay;
mod transition_shape;

pub use n_step::NStep;
pub use observation_id::ObservationId;
pub use observation_store::ObservationStore;
pub use segment_replay::SegmentReplay;
pub use segment_shape::SegmentShape;
pub use stack::stack;
pub use sum_tree::SumTree;
pub use transition::Transition;
pub use transition_replay::TransitionReplay;
pub use transition_shape::TransitionShape;
