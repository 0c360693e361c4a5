//! What a network is, without its parameters and without what computes it.

mod action_head;
mod arithmetic;
mod body;
mod description;
mod error;
mod head;
mod layer;
mod lstm;
mod output;
mod previous_step;
mod spatial_softmax;

pub(super) use action_head::ActionHead;
pub use arithmetic::Arithmetic;
pub(super) use body::Body;
pub use description::Network;
pub use error::ModelError;
pub use head::{Head, HeadKind};
pub(super) use layer::Layer;
pub(super) use lstm::Lstm;
pub(super) use output::Output;
pub use previous_step::PreviousStep;
pub(super) use spatial_softmax::SpatialSoftmax;
