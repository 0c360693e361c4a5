use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::spaces::{ActionSpace, Spaces};

use super::{number, spaces};
use crate::environment::independent::{Action, Dynamics};

const GRAVITY: f64 = 10.0;
const MAX_TORQUE: f32 = 2.0;
const MAX_SPEED: f64 = 8.0;
/// Seconds between two states.
const TAU: f64 = 0.05;

/// A pendulum to be swung up and held, as Gymnasium's `Pendulum-v1` has it: it costs to be elsewhere, to move, and to
/// push.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pendulum;

/// The angle from upright, and its velocity.
type State = [f64; 2];

impl Dynamics for Pendulum {
    const ID: &'static str = "Pendulum-v1";

    type Element = f32;

    type State = State;

    fn spaces(&self) -> Spaces {
        let bounds = ActionSpace::Box {
            low: vec![-MAX_TORQUE],
            high: vec![MAX_TORQUE],
        };
        spaces(3, bounds)
    }

    fn time_limit(&self) -> u32 {
        200
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> State {
        [rng.random_range(-PI..PI), rng.random_range(-1.0..1.0)]
    }

    fn observe(&self, &[theta, velocity]: &State, row: &mut [f32]) {
        let (sin, cos) = theta.sin_cos();
        row.copy_from_slice(&[cos as f32, sin as f32, velocity as f32]);
    }

    fn step(&self, state: &mut State, action: Action<'_>) -> (f32, bool) {
        let [theta, velocity] = state;
        let torque = f64::from(number(action).clamp(-MAX_TORQUE, MAX_TORQUE));
        let apart = (*theta + PI).rem_euclid(2.0 * PI) - PI;
        let cost = apart * apart + 0.1 * (*velocity * *velocity) + 0.001 * (torque * torque);
        *velocity += (1.5 * GRAVITY * theta.sin() + 3.0 * torque) * TAU;
        *velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        *theta += *velocity * TAU;
        (-cost as f32, false)
    }
}
