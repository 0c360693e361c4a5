//! Networks computed by kernels of our own, on one thread and without libtorch.

mod action_head;
mod body;
mod buffer;
mod cell;
mod convolution;
mod dense;
mod free;
mod heads;
mod kernel;
mod layers;
mod lstm;
mod lstm_pass;
mod model;
mod observed;
mod pass;
mod peak;
mod pictures;
#[cfg(test)]
pub(super) mod reference;
mod span;
mod spatial_softmax;
#[cfg(test)]
mod tests;

pub(super) use model::NativeModel;
pub use peak::peak_multiply_adds;
