//! The cart-pole of Barto, Sutton and Anderson (1983), as Gymnasium's `CartPole-v1` has it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::error::EnvironmentError;
use super::rngs::rngs;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

const GRAVITY: f64 = 9.8;
const MASS_POLE: f64 = 0.1;
const TOTAL_MASS: f64 = MASS_POLE + 1.0;
/// Half the pole's length.
const LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = MASS_POLE * LENGTH;
const FORCE: f64 = 10.0;
/// Seconds between two states.
const TAU: f64 = 0.02;
/// An episode ends beyond this angle, in radians: 12°.
const THETA_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
/// An episode ends beyond this distance from the centre.
const X_LIMIT: f64 = 2.4;
/// Episodes are truncated after this many steps.
const TIME_LIMIT: u32 = 500;
/// A new episode starts with each variable uniformly in ± this.
const START_RANGE: f64 = 0.05;
/// Position, velocity, angle, angular velocity.
const VARIABLES: usize = 4;

/// Several CartPoles. One array for each variable, so that a step is a few passes that the compiler vectorises.
pub struct CartPole {
    spaces: Spaces,
    x: Vec<f64>,
    x_dot: Vec<f64>,
    theta: Vec<f64>,
    theta_dot: Vec<f64>,
    elapsed: Vec<u32>,
    rngs: Vec<ChaCha8Rng>,
    observations: Vec<f32>,
    final_observations: Vec<f32>,
    rewards: Vec<f32>,
    ends: Vec<End>,
}

impl CartPole {
    /// Gymnasium's id.
    pub const ID: &'static str = "CartPole-v1";

    /// `count` environments, at rest until they are reset.
    pub fn new(count: usize) -> Self {
        Self {
            spaces: Spaces {
                observation: ObservationSpace {
                    shape: vec![VARIABLES],
                    element: ElementType::F32,
                },
                action: ActionSpace::Discrete { n: 2 },
            },
            x: vec![0.0; count],
            x_dot: vec![0.0; count],
            theta: vec![0.0; count],
            theta_dot: vec![0.0; count],
            elapsed: vec![0; count],
            rngs: rngs(0, count),
            observations: vec![0.0; count * VARIABLES],
            final_observations: vec![0.0; count * VARIABLES],
            rewards: vec![1.0; count],
            ends: vec![End::Continues; count],
        }
    }

    /// The state of environment `index`: position, velocity, angle, angular velocity.
    pub fn state(&self, index: usize) -> [f64; VARIABLES] {
        [
            self.x[index],
            self.x_dot[index],
            self.theta[index],
            self.theta_dot[index],
        ]
    }

    /// Puts environment `index` into a state of your choice, for tests and for looking into things. The time limit
    /// counts on.
    ///
    /// # Panics
    /// If the state is terminal: an episode cannot go on there.
    pub fn set_state(&mut self, index: usize, state: [f64; VARIABLES]) {
        assert!(!is_terminal(state[0], state[2]), "{state:?} is terminal");
        [
            self.x[index],
            self.x_dot[index],
            self.theta[index],
            self.theta_dot[index],
        ] = state;
        observe(&state, row_mut(&mut self.observations, index));
    }

    fn start_episode(&mut self, index: usize) {
        let rng = &mut self.rngs[index];
        let state = std::array::from_fn(|_| rng.random_range(-START_RANGE..START_RANGE));
        self.set_state(index, state);
        self.elapsed[index] = 0;
    }

    /// One pass over all environments that has no branches; says whether any episode ended.
    fn advance(&mut self, actions: &[i64]) -> bool {
        let count = self.x.len();
        let (x, x_dot) = (&mut self.x[..count], &mut self.x_dot[..count]);
        let (theta, theta_dot) = (&mut self.theta[..count], &mut self.theta_dot[..count]);
        let (elapsed, ends, actions) = (
            &mut self.elapsed[..count],
            &mut self.ends[..count],
            &actions[..count],
        );
        let mut any_end = false;
        for i in 0..count {
            let force = if actions[i] == 1 { FORCE } else { -FORCE };
            let (x_acc, theta_acc) = accelerations(force, theta[i], theta_dot[i]);
            // Euler's method: all four from the old state.
            x[i] += TAU * x_dot[i];
            x_dot[i] += TAU * x_acc;
            theta[i] += TAU * theta_dot[i];
            theta_dot[i] += TAU * theta_acc;
            elapsed[i] += 1;
            let terminated = is_terminal(x[i], theta[i]);
            let truncated = elapsed[i] >= TIME_LIMIT;
            ends[i] = if terminated {
                End::Terminated
            } else if truncated {
                End::Truncated
            } else {
                End::Continues
            };
            any_end |= terminated | truncated;
        }
        any_end
    }

    fn observe_all(&mut self) {
        let rows = self.observations.as_chunks_mut::<VARIABLES>().0;
        let states = self
            .x
            .iter()
            .zip(&self.x_dot)
            .zip(self.theta.iter().zip(&self.theta_dot));
        for (row, ((x, x_dot), (theta, theta_dot))) in rows.iter_mut().zip(states) {
            *row = [*x as f32, *x_dot as f32, *theta as f32, *theta_dot as f32];
        }
    }

    fn restart_ended(&mut self) {
        for index in 0..self.ends.len() {
            if self.ends[index] != End::Continues {
                let last = row_mut(&mut self.observations, index);
                row_mut(&mut self.final_observations, index).copy_from_slice(last);
                self.start_episode(index);
            }
        }
    }

    fn check(&self, actions: &Actions) -> Result<(), EnvironmentError> {
        let fits = match actions {
            Actions::Discrete(chosen) => {
                chosen.len() == self.count()
                    && chosen.iter().fold(0, |bits, action| bits | action) & !1 == 0
            }
            Actions::MultiDiscrete(_) | Actions::Continuous(_) => false,
        };
        if fits {
            return Ok(());
        }
        Err(EnvironmentError::Fatal(format!(
            "environment `{}` was given {actions:?}; expected {} actions, each 0 or 1",
            Self::ID,
            self.count(),
        )))
    }
}

impl VectorEnvironment for CartPole {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.x.len()
    }

    fn frame_skip(&self) -> u32 {
        1
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.rngs = rngs(seed, self.count());
        self.ends.fill(End::Continues);
        for index in 0..self.count() {
            self.start_episode(index);
        }
        Ok(())
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        self.check(actions)?;
        if let Actions::Discrete(chosen) = actions {
            let any_end = self.advance(chosen);
            self.observe_all();
            if any_end {
                self.restart_ended();
            }
        }
        Ok(())
    }

    fn last(&self) -> Step<'_> {
        Step {
            observations: Observations::F32(&self.observations),
            final_observations: Observations::F32(&self.final_observations),
            masks: None,
            final_masks: None,
            rewards: &self.rewards,
            ends: &self.ends,
        }
    }
}

/// Of cart and pole; derived in Florian, "Correct equations for the dynamics of the cart-pole system" (2007).
#[inline]
fn accelerations(force: f64, theta: f64, theta_dot: f64) -> (f64, f64) {
    let (sin, cos) = sin_cos(theta);
    let temp = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
    let theta_acc = (GRAVITY * sin - cos * temp)
        / (LENGTH * (4.0 / 3.0 - MASS_POLE * (cos * cos) / TOTAL_MASS));
    let x_acc = temp - POLE_MASS_LENGTH * theta_acc * cos / TOTAL_MASS;
    (x_acc, theta_acc)
}

/// Taylor series, exact to the last bit or two for the angles of a live episode (|θ| ≤ 0.21: the first terms left out
/// are below 1e-18). Unlike the platform's functions they vectorise and are the same everywhere.
#[inline]
fn sin_cos(theta: f64) -> (f64, f64) {
    let t = theta * theta;
    let sin = -1.0 / 39_916_800.0;
    let sin = 1.0 / 362_880.0 + t * sin;
    let sin = -1.0 / 5_040.0 + t * sin;
    let sin = 1.0 / 120.0 + t * sin;
    let sin = -1.0 / 6.0 + t * sin;
    let cos = 1.0 / 479_001_600.0;
    let cos = -1.0 / 3_628_800.0 + t * cos;
    let cos = 1.0 / 40_320.0 + t * cos;
    let cos = -1.0 / 720.0 + t * cos;
    let cos = 1.0 / 24.0 + t * cos;
    let cos = -0.5 + t * cos;
    (theta + theta * (t * sin), 1.0 + t * cos)
}

#[inline]
fn is_terminal(x: f64, theta: f64) -> bool {
    (x.abs() > X_LIMIT) | (theta.abs() > THETA_LIMIT)
}

fn observe(state: &[f64; VARIABLES], row: &mut [f32]) {
    for (target, value) in row.iter_mut().zip(state) {
        *target = *value as f32;
    }
}

fn row_mut(rows: &mut [f32], index: usize) -> &mut [f32] {
    &mut rows[index * VARIABLES..(index + 1) * VARIABLES]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_exact_to_the_last_bits() {
        for step in -2_200..=2_200 {
            let theta = f64::from(step) * 1e-4;
            let (sin, cos) = sin_cos(theta);
            assert!(
                (sin - theta.sin()).abs() <= 2.0 * f64::EPSILON * theta.abs(),
                "sin {theta}"
            );
            assert!((cos - theta.cos()).abs() <= f64::EPSILON, "cos {theta}");
        }
    }
}
