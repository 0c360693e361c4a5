use std::fmt;

use super::rate_refused::RateRefused;

/// A replay that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplayRefused {
    /// A number is out of its range.
    #[error("{what} is {found}: expected {expected}")]
    Setting {
        /// Which one.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Too few bytes.
    #[error(
        "a replay of {bytes} bytes holds too few steps for {environments} environments and its items: it needs {needed} bytes or more"
    )]
    TooSmall {
        /// What was given.
        bytes: u64,
        /// Environments that may be there at a time.
        environments: usize,
        /// The least with which it works.
        needed: u64,
    },
    /// What is to be there before anything is drawn does not fit.
    #[error(
        "{what} is {env_steps} env steps, but {bytes} bytes hold {capacity}: give the replay {needed} bytes or more, or lower it"
    )]
    AboveCapacity {
        /// What does not fit.
        what: &'static str,
        /// What it comes to.
        env_steps: u64,
        /// Bytes of the replay.
        bytes: u64,
        /// Env steps that it holds.
        capacity: usize,
        /// Bytes with which it fits.
        needed: u64,
    },
    /// Nobody could go on.
    #[error(transparent)]
    Rate(#[from] RateRefused),
}

/// Refuses a number that does not fit.
pub(crate) fn require(
    fits: bool,
    what: &'static str,
    expected: &dyn fmt::Display,
    found: &dyn fmt::Display,
) -> Result<(), ReplayRefused> {
    if fits {
        return Ok(());
    }
    Err(ReplayRefused::Setting {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}
