use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::spaces::{ActionSpace, Spaces};

use super::{number, spaces};
use crate::environment::independent::{Action, Dynamics};

const POWER: f32 = 0.0015;
const GRAVITY: f64 = 0.0025;
const MAX_SPEED: f32 = 0.07;
const LEFT_END: f32 = -1.2;
const RIGHT_END: f32 = 0.6;
const GOAL: f32 = 0.45;

/// The mountain car with a force of its driver's choice, as Gymnasium's `MountainCarContinuous-v0` has it: 100 on the
/// hill, and what the force costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountainCarContinuous;

/// Position and velocity, in single precision as there.
type State = [f32; 2];

impl Dynamics for MountainCarContinuous {
    const ID: &'static str = "MountainCarContinuous-v0";

    type Element = f32;

    type State = State;

    fn spaces(&self) -> Spaces {
        let bounds = ActionSpace::Box {
            low: vec![-1.0],
            high: vec![1.0],
        };
        spaces(2, bounds)
    }

    fn time_limit(&self) -> u32 {
        999
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> State {
        [rng.random_range(-0.6_f64..-0.4) as f32, 0.0]
    }

    fn observe(&self, state: &State, row: &mut [f32]) {
        row.copy_from_slice(state);
    }

    fn step(&self, state: &mut State, action: Action<'_>) -> (f32, bool) {
        let [position, velocity] = state;
        let action = number(action);
        let slope = GRAVITY * f64::from(3.0 * *position).cos();
        *velocity += action.clamp(-1.0, 1.0) * POWER - slope as f32;
        *velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        *position = (*position + *velocity).clamp(LEFT_END, RIGHT_END);
        if *position == LEFT_END && *velocity < 0.0 {
            *velocity = 0.0;
        }
        let is_up = *position >= GOAL && *velocity >= 0.0;
        let cost = f64::from(action).powi(2) * 0.1;
        ((if is_up { 100.0 } else { 0.0 } - cost) as f32, is_up)
    }
}
