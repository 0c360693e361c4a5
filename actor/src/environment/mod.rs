//! What agents act in: several environments stepped together, with Gymnasium's semantics.

mod cartpole;
mod error;
mod frame_stack;
mod gymnasium;
mod make;
mod native;
mod rngs;
mod step;
mod step_sleep;
mod t_maze;
mod vector_environment;

pub use cartpole::CartPole;
pub use error::EnvironmentError;
pub use gymnasium::GymnasiumHost;
pub use make::make;
pub use step::Step;
pub use t_maze::TMaze;
pub use vector_environment::VectorEnvironment;
