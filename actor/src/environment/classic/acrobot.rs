use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::spaces::{ActionSpace, Spaces};

use super::{choice, spaces};
use crate::environment::independent::{Action, Dynamics};

const GRAVITY: f64 = 9.8;
/// Distance of a link's centre of mass from its joint; links are 1 long and weigh 1.
const CENTRE: f64 = 0.5;
/// Moment of inertia of a link.
const INERTIA: f64 = 1.0;
/// Seconds between two states.
const TAU: f64 = 0.2;
/// Largest angular velocities.
const LIMITS: [f64; 2] = [4.0 * PI, 9.0 * PI];
/// A new episode starts with each variable uniformly in ± this.
const START_RANGE: f64 = 0.1;

/// The acrobot of Sutton (1996), as Gymnasium's `Acrobot-v1` has it: two links, a torque of −1, 0 or 1 at the joint
/// between them, −1 for each step until the tip is above the bar by a link's length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acrobot;

/// Two angles, and their velocities.
type State = [f64; 4];

impl Dynamics for Acrobot {
    const ID: &'static str = "Acrobot-v1";

    type Element = f32;

    type State = State;

    fn spaces(&self) -> Spaces {
        spaces(6, ActionSpace::Discrete { n: 3 })
    }

    fn time_limit(&self) -> u32 {
        500
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> State {
        // Single precision, as there.
        let start = |rng: &mut ChaCha8Rng| rng.random_range(-START_RANGE..START_RANGE) as f32;
        std::array::from_fn(|_| f64::from(start(rng)))
    }

    fn observe(&self, state: &State, row: &mut [f32]) {
        let [theta_1, theta_2, velocity_1, velocity_2] = *state;
        let (sin_1, cos_1) = theta_1.sin_cos();
        let (sin_2, cos_2) = theta_2.sin_cos();
        let shown = [cos_1, sin_1, cos_2, sin_2, velocity_1, velocity_2];
        row.iter_mut()
            .zip(shown)
            .for_each(|(to, value)| *to = value as f32);
    }

    fn step(&self, state: &mut State, action: Action<'_>) -> (f32, bool) {
        let next = runge_kutta(state, choice(action) - 1.0);
        *state = [
            wrap(next[0]),
            wrap(next[1]),
            next[2].clamp(-LIMITS[0], LIMITS[0]),
            next[3].clamp(-LIMITS[1], LIMITS[1]),
        ];
        let is_up = -state[0].cos() - (state[1] + state[0]).cos() > 1.0;
        (if is_up { 0.0 } else { -1.0 }, is_up)
    }
}

/// One step of the fourth order.
fn runge_kutta(state: &State, torque: f64) -> State {
    let moved = |by: f64, slope: &State| std::array::from_fn(|i| state[i] + by * slope[i]);
    let k1 = slope(state, torque);
    let k2 = slope(&moved(TAU / 2.0, &k1), torque);
    let k3 = slope(&moved(TAU / 2.0, &k2), torque);
    let k4 = slope(&moved(TAU, &k3), torque);
    let mean: State = std::array::from_fn(|i| k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
    moved(TAU / 6.0, &mean)
}

/// Velocities and accelerations (Sutton and Barto 1998, §11.3).
fn slope(&[theta_1, theta_2, velocity_1, velocity_2]: &State, torque: f64) -> State {
    let (sin_2, cos_2) = theta_2.sin_cos();
    let squares = CENTRE * CENTRE;
    let d1 = squares + (1.0 + squares + 2.0 * CENTRE * cos_2) + 2.0 * INERTIA;
    let d2 = (squares + CENTRE * cos_2) + INERTIA;
    let phi_2 = CENTRE * GRAVITY * (theta_1 + theta_2 - PI / 2.0).cos();
    let phi_1 = -CENTRE * velocity_2 * velocity_2 * sin_2
        - 2.0 * CENTRE * velocity_2 * velocity_1 * sin_2
        + (CENTRE + 1.0) * GRAVITY * (theta_1 - PI / 2.0).cos()
        + phi_2;
    let acceleration_2 =
        (torque + d2 / d1 * phi_1 - CENTRE * velocity_1 * velocity_1 * sin_2 - phi_2)
            / (squares + INERTIA - d2 * d2 / d1);
    let acceleration_1 = -(d2 * acceleration_2 + phi_1) / d1;
    [velocity_1, velocity_2, acceleration_1, acceleration_2]
}

/// An angle from −π to π.
fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}
