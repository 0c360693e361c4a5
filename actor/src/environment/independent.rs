//! Vector environments out of single ones.

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ActionSpace, Spaces};

use super::error::EnvironmentError;
use super::rngs::rngs;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// A number of an observation.
pub trait Element: Copy + Default + Send {
    /// Observations of such numbers.
    fn observations(values: &[Self]) -> Observations<'_>;
}

impl Element for f32 {
    fn observations(values: &[Self]) -> Observations<'_> {
        Observations::F32(values)
    }
}

impl Element for u8 {
    fn observations(values: &[Self]) -> Observations<'_> {
        Observations::U8(values)
    }
}

/// What an environment does, apart from its state.
pub trait Dynamics: Send {
    /// Its id.
    const ID: &'static str;

    /// What its observations are made of, single precision or bytes.
    type Element: Element;

    /// What an episode is in.
    type State: Clone + Send;

    /// What it shows and takes.
    fn spaces(&self) -> Spaces;

    /// Steps after which an episode is truncated.
    fn time_limit(&self) -> u32;

    /// Where an episode begins.
    fn start(&self, rng: &mut ChaCha8Rng) -> Self::State;

    /// Writes what a state shows.
    fn observe(&self, state: &Self::State, row: &mut [Self::Element]);

    /// Takes a step; gives its reward, and whether the episode terminates with it.
    fn step(&self, state: &mut Self::State, action: Action<'_>) -> (f32, bool);
}

/// What one environment is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action<'a> {
    /// One of several choices.
    Choice(i64),
    /// Real numbers, `[D]`.
    Point(&'a [f32]),
}

/// Several environments that do the same and do not know each other.
pub struct Independent<D: Dynamics> {
    dynamics: D,
    spaces: Spaces,
    states: Vec<D::State>,
    elapsed: Vec<u32>,
    rngs: Vec<ChaCha8Rng>,
    observations: Vec<D::Element>,
    final_observations: Vec<D::Element>,
    rewards: Vec<f32>,
    ends: Vec<End>,
}

impl<D: Dynamics> Independent<D> {
    /// `count` environments, each in some first state until they are reset.
    pub fn new(count: usize, dynamics: D) -> Self {
        let spaces = dynamics.spaces();
        let width = spaces.observation.len();
        let mut rngs = rngs(0, count);
        Self {
            states: rngs.iter_mut().map(|rng| dynamics.start(rng)).collect(),
            elapsed: vec![0; count],
            rngs,
            observations: vec![D::Element::default(); count * width],
            final_observations: vec![D::Element::default(); count * width],
            rewards: vec![0.0; count],
            ends: vec![End::Continues; count],
            dynamics,
            spaces,
        }
    }

    /// The state of environment `index`.
    pub fn state(&self, index: usize) -> &D::State {
        &self.states[index]
    }

    /// Puts environment `index` into a state of your choice, for tests and for looking into things. The time limit
    /// counts on.
    pub fn set_state(&mut self, index: usize, state: D::State) {
        self.states[index] = state;
        self.show(index);
    }

    /// How it goes on.
    pub fn dynamics(&self) -> &D {
        &self.dynamics
    }

    fn width(&self) -> usize {
        self.spaces.observation.len()
    }

    fn show(&mut self, index: usize) {
        let width = self.width();
        let row = &mut self.observations[index * width..(index + 1) * width];
        self.dynamics.observe(&self.states[index], row);
    }

    fn start_episode(&mut self, index: usize) {
        let state = self.dynamics.start(&mut self.rngs[index]);
        self.elapsed[index] = 0;
        self.set_state(index, state);
    }

    fn advance(&mut self, index: usize, action: Action<'_>) {
        let (reward, is_terminal) = self.dynamics.step(&mut self.states[index], action);
        self.elapsed[index] += 1;
        self.rewards[index] = reward;
        self.ends[index] = match is_terminal {
            true => End::Terminated,
            false if self.elapsed[index] >= self.dynamics.time_limit() => End::Truncated,
            false => End::Continues,
        };
        self.show(index);
        if self.ends[index] != End::Continues {
            let row = index * self.width()..(index + 1) * self.width();
            self.final_observations[row.clone()].copy_from_slice(&self.observations[row]);
            self.start_episode(index);
        }
    }

    /// Whether there is one action for each environment, out of its space.
    fn fit(&self, actions: &Actions) -> bool {
        let count = self.count();
        match (&self.spaces.action, actions) {
            (ActionSpace::Discrete { n }, Actions::Discrete(chosen)) => {
                let is_choice = |action: &i64| (0..*n as i64).contains(action);
                chosen.len() == count && chosen.iter().all(is_choice)
            }
            (ActionSpace::Box { low, .. }, Actions::Continuous(points)) => {
                let is_whole = points.len() == count * low.len();
                is_whole && points.iter().all(|number| number.is_finite())
            }
            _ => false,
        }
    }

    /// # Errors
    /// If they do not [fit](Self::fit).
    fn check(&self, actions: &Actions) -> Result<(), EnvironmentError> {
        if self.fit(actions) {
            return Ok(());
        }
        let (count, space) = (self.count(), &self.spaces.action);
        Err(EnvironmentError::Fatal(format!(
            "environment `{}` was given {actions:?}; expected {count} actions, each of {space:?}",
            D::ID,
        )))
    }
}

impl<D: Dynamics> VectorEnvironment for Independent<D> {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.states.len()
    }

    fn frame_skip(&self) -> u32 {
        1
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.rngs = rngs(seed, self.count());
        self.ends.fill(End::Continues);
        (0..self.count()).for_each(|index| self.start_episode(index));
        Ok(())
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        self.check(actions)?;
        let width = match &self.spaces.action {
            ActionSpace::Box { low, .. } => low.len(),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => 1,
        };
        for index in 0..self.count() {
            match actions {
                Actions::Discrete(all) => self.advance(index, Action::Choice(all[index])),
                Actions::Continuous(all) => {
                    self.advance(index, Action::Point(&all[index * width..][..width]));
                }
                Actions::MultiDiscrete(_) => unreachable!("checked above"),
            }
        }
        Ok(())
    }

    fn last(&self) -> Step<'_> {
        Step {
            observations: Element::observations(&self.observations),
            final_observations: Element::observations(&self.final_observations),
            masks: None,
            final_masks: None,
            rewards: &self.rewards,
            ends: &self.ends,
        }
    }
}
