//! What agents act in: several environments stepped together, with Gymnasium's semantics.

mod cartpole;
mod frame_stack;
mod gymnasium;
mod native;
mod step_sleep;
mod t_maze;

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::EnvironmentSettings;
use troop_common::spaces::{ActionSpace, Spaces};

use frame_stack::FrameStack;
use step_sleep::StepSleep;

pub use cartpole::CartPole;
pub use gymnasium::GymnasiumHost;
pub use t_maze::TMaze;

/// Whether, and how, an episode ended with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Continues,
    /// The environment reached a terminal state: nothing is worth anything after it.
    Terminated,
    /// The same for learning; the episode goes on all the same, and so does what is counted of it. A life of a game
    /// with several.
    LifeLost,
    /// It was cut short, e.g. by a time limit: the final observation still has a value.
    Truncated,
}

/// Observations of several environments in a row, `[E, …]` flattened, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observations<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Pixels.
    U8(&'a [u8]),
}

/// Actions for several environments in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Actions {
    /// `[E]`, each from 0 to n − 1.
    Discrete(Vec<i64>),
    /// `[E, K]` flattened, each from 0 to n_k − 1.
    MultiDiscrete(Vec<i64>),
    /// `[E, D]` flattened; the environment clips them to its bounds.
    Continuous(Vec<f32>),
}

impl Actions {
    /// No actions yet, of the kind that `space` takes.
    pub fn none(space: &ActionSpace) -> Self {
        match space {
            ActionSpace::Discrete { .. } => Self::Discrete(Vec::new()),
            ActionSpace::MultiDiscrete { .. } => Self::MultiDiscrete(Vec::new()),
            ActionSpace::Box { .. } => Self::Continuous(Vec::new()),
        }
    }

    /// Appends actions of the same kind.
    ///
    /// # Panics
    /// Where they are of another kind.
    pub fn extend(&mut self, more: &Self) {
        match (self, more) {
            (Self::Discrete(all), Self::Discrete(more))
            | (Self::MultiDiscrete(all), Self::MultiDiscrete(more)) => all.extend_from_slice(more),
            (Self::Continuous(all), Self::Continuous(more)) => all.extend_from_slice(more),
            _ => panic!("actions of two kinds in one row"),
        }
    }

    /// The action of one row out of `rows`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn of_row(&self, row: usize, rows: usize) -> Self {
        fn part<T: Clone>(all: &[T], row: usize, rows: usize) -> Vec<T> {
            let len = all.len() / rows;
            all[row * len..(row + 1) * len].to_vec()
        }
        match self {
            Self::Discrete(all) => Self::Discrete(part(all, row, rows)),
            Self::MultiDiscrete(all) => Self::MultiDiscrete(part(all, row, rows)),
            Self::Continuous(all) => Self::Continuous(part(all, row, rows)),
        }
    }

    /// Removes all of them; the memory is kept.
    pub fn clear(&mut self) {
        match self {
            Self::Discrete(all) | Self::MultiDiscrete(all) => all.clear(),
            Self::Continuous(all) => all.clear(),
        }
    }
}

/// What the last reset or step left behind. Environments whose episode ended
/// have already been reset.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// `[E, …]`: what to act on next; the first observation of a new episode where one ended.
    pub observations: Observations<'a>,
    /// `[E, …]`: the last observation before the automatic reset; meaningful only where `ends`
    /// says that an episode ended.
    pub final_observations: Observations<'a>,
    /// `[E, M]`: which choices `observations` leave open, for environments that say so; of several
    /// choices at once one mask after the other. Every choice has an open one.
    pub masks: Option<&'a [bool]>,
    /// `[E, M]`: the same for `final_observations`.
    pub final_masks: Option<&'a [bool]>,
    /// `[E]`: raw rewards of the last step.
    pub rewards: &'a [f32],
    /// `[E]`: how the last step ended.
    pub ends: &'a [End],
}

/// Why an environment did not step.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Its host failed and has been started again: drop the segment, reset, go on.
    #[error("the environment host failed and was restarted: {0}")]
    Restarted(String),
    /// It cannot go on; the worker ends.
    #[error("{0}")]
    Fatal(String),
}

/// Several environments of one kind, stepped together. `E` is their number.
pub trait VectorEnvironment: Send {
    /// What each environment shows and accepts.
    fn spaces(&self) -> &Spaces;

    /// Environments, `E`.
    fn count(&self) -> usize;

    /// Emulator ticks an env step; 1 where there is no emulator.
    fn frame_skip(&self) -> u32;

    /// Starts a new episode in every environment, environment `i` from a seed made of `seed` and `i`.
    ///
    /// # Errors
    /// Where the host failed, see [`EnvironmentError`].
    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError>;

    /// Takes one action in each environment and resets those whose episode ended.
    ///
    /// # Errors
    /// Where the host failed, see [`EnvironmentError`].
    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError>;

    /// What the last reset or step left behind.
    fn last(&self) -> Step<'_>;
}

/// Makes the environments that `settings` name.
///
/// # Errors
/// Where there is no such environment, or its host cannot start; says why.
pub fn make(
    settings: &EnvironmentSettings,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    let mut environment = match native::make(settings)? {
        Some(native) => native,
        None => Box::new(GymnasiumHost::start(settings)?),
    };
    if settings.step_sleep_us > 0 {
        let sleep = Duration::from_micros(settings.step_sleep_us);
        let inner = environment;
        environment = Box::new(StepSleep { inner, sleep });
    }
    if settings.frame_stack > 1 {
        environment = Box::new(FrameStack::new(environment, settings.frame_stack));
    }
    Ok(environment)
}

/// One generator for each environment: streams of the same key never meet.
fn rngs(seed: u64, count: usize) -> Vec<ChaCha8Rng> {
    let stream = |index: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index as u64);
        rng
    };
    (0..count).map(stream).collect()
}
