//! Gymnasium's classic control beside CartPole, with the same arithmetic, in double precision as there.

mod acrobot;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;

pub use acrobot::Acrobot;
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;

use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::independent::Action;

/// Spaces of `width` numbers and what is taken.
fn spaces(width: usize, action: ActionSpace) -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![width],
            element: ElementType::F32,
        },
        action,
    }
}

/// A choice.
///
/// # Panics
/// If it is a point: actions are checked before.
fn choice(action: Action<'_>) -> f64 {
    match action {
        Action::Choice(choice) => choice as f64,
        Action::Point(_) => unreachable!("actions are checked"),
    }
}

/// A single real number.
///
/// # Panics
/// If it is a choice: actions are checked before.
fn number(action: Action<'_>) -> f32 {
    match action {
        Action::Point(point) => point[0],
        Action::Choice(_) => unreachable!("actions are checked"),
    }
}
