//! `troop report`: a page of tables and pictures from run directories.

mod bootstrap;
mod chart;
mod comparison;
mod curves;
mod finished_run;
mod group;
mod methods;
mod page;
mod published;
mod robustness;
mod speed_up;
mod spread;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use troop_common::experiment::TelemetrySettings;
use troop_common::process::say;

use finished_run::FinishedRun;

/// Make a page of tables and learning curves from finished runs.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Run directories, or directories that hold some.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// What the page is about.
    #[arg(long, value_enum, default_value_t = PageKind::Methods)]
    kind: PageKind,
    /// Write the page there and its pictures into a folder of its name beside it; without it the
    /// page is printed, without pictures.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a page is about.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PageKind {
    /// Every preset: steps and seconds to the threshold, scores, learning curves.
    Methods,
    /// How much sooner more workers get there.
    SpeedUp,
    /// Scores over learning rates.
    Robustness,
    /// Final scores, training and evaluated, with what few seeds allow to say.
    Comparison,
}

/// # Errors
/// If there are no runs, one cannot be read, or the page cannot be written.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    troop_common::telemetry::init_logging(&TelemetrySettings::default())?;
    let runs = FinishedRun::find(&args.directories)?;
    let page = match args.kind {
        PageKind::Methods => methods::page(&runs)?,
        PageKind::SpeedUp => speed_up::page(&runs)?,
        PageKind::Robustness => robustness::page(&runs),
        PageKind::Comparison => comparison::page(&runs),
    };
    match &args.output {
        Some(path) => page.write(path),
        None => {
            say(page.to_markdown().trim_end());
            Ok(())
        }
    }
}
