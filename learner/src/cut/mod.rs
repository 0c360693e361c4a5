//! Cuts: checkpoints of a run whose parameters are spread over several learners. Each session is taken on all of them to the
//! same gradient, so that none is in a cut by half.

mod arrived;
mod error;
mod gate;
mod line;
mod part;
mod part_gathering;

pub(crate) use arrived::Arrived;
pub use error::CutFailed;
pub(crate) use gate::{CutGate, Held};
pub(crate) use line::{Answers, Line, Lines};
pub(crate) use part::Part;
pub(crate) use part_gathering::PartGathering;

use std::time::Duration;

/// Whoever is held for a cut, or waits for others in one, does so no longer than this at a time.
pub(crate) const CUT_PATIENCE: Duration = Duration::from_secs(20);
