//! Transitions of n steps: how they are cut, kept and drawn.

mod actor_errors;
mod n_step;
mod selection;
mod transition;
mod transition_replay;
mod transition_shape;
mod transition_stream;

pub use n_step::NStep;
pub(crate) use selection::Selection;
pub use transition::Transition;
pub(crate) use transition_replay::TransitionOptions;
pub use transition_replay::TransitionReplay;
pub use transition_shape::TransitionShape;
