//! `troop bench replay`: replays of a worker's own, of several threads, and in a process of their own.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::{own_replay, replay_service, shared_replay};

/// Fill a replay memory with stacks of 84×84 frames, and sample it.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Env steps that it remembers, and that it is filled with
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    env_steps: u32,
    /// Transitions of a batch
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Sample by priority
    #[arg(long)]
    prioritized: bool,
    /// Measure instead a replay that several threads fill while others draw from it by priority
    #[arg(long)]
    shared: bool,
    /// Measure instead a replay in a process of its own that workers of other processes fill and draw from by priority
    #[arg(long, conflicts_with = "shared")]
    service: bool,
    /// With --service: the replay has a journal in a directory of its own below this one, which goes afterwards
    #[arg(long, value_name = "DIR", requires = "service")]
    journal: Option<PathBuf>,
    /// Seconds of each measurement of --service
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3.0,
        requires = "service"
    )]
    seconds: f64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Fills, measures and prints.
///
/// # Errors
/// If there is not enough memory, or standard output is closed.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let batch = args.batch as usize;
    match (args.service, args.shared) {
        (true, _) => {
            let journal = args.journal.as_deref();
            let report = replay_service::measure(batch, args.seconds, journal)?;
            print(args, &report)
        }
        (false, true) => print(args, &shared_replay::measure(batch)?),
        (false, false) => {
            let report = own_replay::measure(args.env_steps, batch, args.prioritized)?;
            print(args, &report)
        }
    }
}

fn print(args: &ReplayArgs, report: &(impl Serialize + fmt::Display)) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if args.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}
