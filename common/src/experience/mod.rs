//! What was lived through, as plain numbers: observations, actions, rewards and ends, what is known
//! of the policy that acted, and recurrent state.
//!
//! Axis letters: `T` time, `E` environments, `N` rows, `M` choices, `S` recurrent state.

mod actions;
mod end;
mod observation_buffer;
mod observations;
mod open_values;
mod recurrent_state;
mod segment;
mod transitions;

pub use actions::Actions;
pub use end::End;
pub use observation_buffer::ObservationBuffer;
pub use observations::Observations;
pub use open_values::OpenValues;
pub use recurrent_state::RecurrentState;
pub use segment::Segment;
pub use transitions::Transitions;
