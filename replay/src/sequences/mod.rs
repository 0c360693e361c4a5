//! Stretches of consecutive steps, unrolls and sequences: how they are cut, kept and drawn.

mod cutter;
mod oldest_first;
mod sequence_priority;
mod stretch;
mod stretch_replay;
mod stretch_shape;
mod stretches;

pub use sequence_priority::sequence_priority;
pub(crate) use stretch_replay::StretchReplay;
pub(crate) use stretch_shape::StretchShape;
pub use stretches::Stretches;
