//! Replay memories: observations stored once, and what is drawn from them.
//!
//! **Architecture Invariant:** this crate has no libtorch. What it takes and gives are plain numbers.
//!
//! **Architecture Invariant:** the size of a replay is fixed when it is made. Memory is taken block by block as it
//! fills, and never beyond that.
//!
//! **Architecture Invariant:** a replay has no threads, and no clock in what it decides. [`service`] is what calls it.

mod action_bytes;
mod actor_errors;
mod appended;
pub mod available_memory;
mod blocks;
pub mod codec;
mod core;
mod cutter;
mod details;
mod drawn;
mod engine;
mod item_kind;
mod items;
mod layout;
mod masks;
mod n_step;
mod observation_id;
mod observation_store;
mod oldest_first;
mod priorities;
mod rate_limiter;
mod rate_refused;
mod replay;
mod replay_counts;
mod replay_error;
mod replay_refused;
mod replay_settings;
mod segment_refused;
mod segment_replay;
mod segment_shape;
mod sequence_priority;
pub mod service;
mod stack;
mod step;
mod step_store;
mod stretch;
mod stretch_replay;
mod stretch_shape;
mod stretches;
mod sum_tree;
mod table;
mod table_kind;
mod transition;
mod transition_replay;
mod transition_shape;
mod transition_stream;
mod wait;
mod way;
mod writer_id;
mod writers;

pub use appended::Appended;
pub use drawn::{Drawn, DrawnItems};
pub use item_kind::ItemKind;
pub use n_step::NStep;
pub use observation_id::ObservationId;
pub use observation_store::ObservationStore;
pub use rate_limiter::{Portions, RateLimiter};
pub use rate_refused::RateRefused;
pub use replay::Replay;
pub use replay_counts::ReplayCounts;
pub use replay_error::ReplayError;
pub use replay_refused::ReplayRefused;
pub use replay_settings::ReplaySettings;
pub use segment_refused::SegmentRefused;
pub use segment_replay::SegmentReplay;
pub use segment_shape::SegmentShape;
pub use sequence_priority::sequence_priority;
pub use stack::stack;
pub use stretches::Stretches;
pub use sum_tree::SumTree;
pub use table_kind::{InitialPriority, Pace, SamplesPerInsert, TableKind};
pub use transition::Transition;
pub use transition_replay::TransitionReplay;
pub use transition_shape::TransitionShape;
pub use wait::Wait;
pub use writer_id::WriterId;
