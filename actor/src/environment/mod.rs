//! What agents act in: several environments stepped together, with Gymnasium's semantics.

mod cartpole;
mod gymnasium;

use troop_common::experiment::{EnvironmentSettings, Host};
use troop_common::spaces::Spaces;

pub use cartpole::CartPole;
pub use gymnasium::GymnasiumHost;

/// Whether, and how, an episode ended with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Continues,
    /// The environment reached a terminal state: nothing is worth anything after it.
    Terminated,
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
    /// `[E, D]` flattened; the environment clips them to its bounds.
    Continuous(Vec<f32>),
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
    let obstacle = obstacle_to_native(settings);
    match (settings.host, obstacle) {
        (Host::Native, Some(obstacle)) => Err(EnvironmentError::Fatal(format!(
            "environment.host is `native`, but {obstacle}; set environment.host to `auto`",
        ))),
        (Host::Native | Host::Auto, None) => Ok(Box::new(CartPole::new(settings.envs_per_worker))),
        _ => Ok(Box::new(GymnasiumHost::start(settings)?)),
    }
}

/// Why the environment cannot be stepped in Rust, if it cannot.
fn obstacle_to_native(settings: &EnvironmentSettings) -> Option<String> {
    if settings.id != CartPole::ID {
        return Some(format!(
            "`{}` is not native, only `{}` is",
            settings.id,
            CartPole::ID
        ));
    }
    (!settings.kwargs.is_empty())
        .then(|| format!("`{}` takes no environment.kwargs there", settings.id))
}
