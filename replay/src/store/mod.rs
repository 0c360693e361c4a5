//! Observations, each frame once, and what was done there, in blocks of memory that are taken as they fill.

mod action_bytes;
mod blocks;
mod details;
mod masks;
mod observation_id;
mod observation_store;
mod stack;
mod step;
mod step_store;

pub(crate) use blocks::{BlockRing, held_bytes};
pub(crate) use masks::Masks;
pub use observation_id::ObservationId;
pub use observation_store::ObservationStore;
pub(crate) use stack::frame_bytes;
pub use stack::stack;
pub(crate) use step_store::StepStore;
