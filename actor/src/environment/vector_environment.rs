use troop_common::experience::Actions;
use troop_common::spaces::Spaces;

use super::error::EnvironmentError;
use super::step::Step;

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
    /// If the host failed, see [`EnvironmentError`].
    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError>;

    /// Takes one action in each environment and resets those whose episode ended.
    ///
    /// # Errors
    /// If the host failed, see [`EnvironmentError`].
    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError>;

    /// What the last reset or step left behind.
    fn last(&self) -> Step<'_>;
}
