//! Networks on libtorch: the general backend, and the one that the others are compared with.

mod action_head;
mod body;
mod device;
mod layer;
mod lstm;
mod model;
mod parameters;
mod spatial_softmax;
mod tensors;

pub(crate) use device::use_one_thread;
pub(crate) use model::TorchModel;
