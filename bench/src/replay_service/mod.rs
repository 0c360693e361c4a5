//! `troop bench replay --service`: what a replay in a process of its own takes in from workers of others, and gives to
//! others, over the real wire.

mod latency;
mod measurement;
mod replay_process;
mod workers;

pub(super) use workers::{ReplayWorkersArgs, read, write};

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::interruption::Interruption;
use super::shown::SHOWN;
use measurement::Kind;
use replay_process::ReplayProcess;

/// What was found, in base units.
#[derive(Serialize)]
pub(super) struct ServiceReport {
    kinds: Vec<Kind>,
}

/// Measures frames, then vectors; with a journal in a directory if one is given.
///
/// # Errors
/// If a process cannot start or ends early, or the bench is interrupted.
pub(super) fn measure(
    batch: usize,
    seconds: f64,
    journal: Option<&Path>,
) -> anyhow::Result<ServiceReport> {
    let interruption = Interruption::catch()?;
    let kinds = (0..SHOWN.len()).map(|shown| {
        let replay = ReplayProcess::start(SHOWN[shown].bytes, journal)?;
        Kind::measure(replay, shown, batch, seconds, &interruption)
    });
    Ok(ServiceReport {
        kinds: kinds.collect::<anyhow::Result<_>>()?,
    })
}

impl fmt::Display for ServiceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kinds.iter().try_for_each(|kind| write!(f, "{kind}"))
    }
}
