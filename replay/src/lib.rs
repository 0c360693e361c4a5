//! Replay memories: observations stored once, and what is drawn from them.
//!
//! **Architecture Invariant:** this crate has no libtorch. What it takes and gives are plain numbers.
//!
//! **Architecture Invariant:** the size of a replay is fixed when it is made. Memory is taken block by block as it
//! fills, and never beyond that.
//!
//! **Architecture Invariant:** a replay has no threads, and no clock in what it decides. [`service`] is what calls it.

pub mod available_memory;
pub mod codec;
mod journal;
mod limiter;
mod replay;
mod segments;
mod sequences;
pub mod service;
mod settings;
mod store;
mod tables;
mod transitions;

pub use journal::JournalError;
pub use limiter::{Portions, RateLimiter};
pub use replay::{
    Appended, Drawn, DrawnItems, InPlace, Replay, ReplayCounts, ReplayError, SegmentRefused, Wait,
    WriterId,
};
pub use segments::{SegmentReplay, SegmentShape};
pub use sequences::{Stretches, sequence_priority};
pub use settings::{
    InitialPriority, ItemKind, Pace, RateRefused, ReplayRefused, ReplaySettings, SamplesPerInsert,
    TableKind,
};
pub use store::{ObservationId, ObservationStore, stack};
pub use tables::SumTree;
pub use transitions::{NStep, Transition, TransitionReplay, TransitionShape};
