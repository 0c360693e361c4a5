//! What agents act in: several environments stepped together, with Gymnasium's semantics.

mod area_scale;
mod cartpole;
mod classic;
mod error;
mod frame_stack;
mod gymnasium;
mod independent;
mod make;
mod maze;
mod native;
mod rescaled_actions;
mod rngs;
mod scaled_screens;
mod step;
mod step_sleep;
mod t_maze;
mod vector_environment;

pub use cartpole::CartPole;
pub use classic::{Acrobot, MountainCar, MountainCarContinuous, Pendulum};
pub use error::EnvironmentError;
pub use gymnasium::GymnasiumHost;
pub use independent::{Action, Dynamics, Element, Independent};
pub use make::{is_native, make};
pub use maze::Maze;
#[cfg(test)]
pub(crate) use rescaled_actions::RescaledActions;
pub use step::Step;
pub use t_maze::TMaze;
pub use vector_environment::VectorEnvironment;
