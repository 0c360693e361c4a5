use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::spaces::{ActionSpace, Spaces};

use super::{choice, spaces};
use crate::environment::independent::{Action, Dynamics};

const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;
const MAX_SPEED: f64 = 0.07;
const LEFT_END: f64 = -1.2;
const RIGHT_END: f64 = 0.6;
const GOAL: f64 = 0.5;

/// The mountain car of Moore (1990), as Gymnasium's `MountainCar-v0` has it: too weak an engine for the hill, −1 for
/// each step until it is up there.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountainCar;

/// Position and velocity.
type State = [f64; 2];

impl Dynamics for MountainCar {
    const ID: &'static str = "MountainCar-v0";

    type Element = f32;

    type State = State;

    fn spaces(&self) -> Spaces {
        spaces(2, ActionSpace::Discrete { n: 3 })
    }

    fn time_limit(&self) -> u32 {
        200
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> State {
        [rng.random_range(-0.6..-0.4), 0.0]
    }

    fn observe(&self, state: &State, row: &mut [f32]) {
        row.iter_mut()
            .zip(state)
            .for_each(|(to, value)| *to = *value as f32);
    }

    fn step(&self, state: &mut State, action: Action<'_>) -> (f32, bool) {
        let [position, velocity] = state;
        *velocity += (choice(action) - 1.0) * FORCE + (3.0 * *position).cos() * -GRAVITY;
        *velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        *position = (*position + *velocity).clamp(LEFT_END, RIGHT_END);
        if *position == LEFT_END && *velocity < 0.0 {
            *velocity = 0.0;
        }
        (-1.0, *position >= GOAL && *velocity >= 0.0)
    }
}
