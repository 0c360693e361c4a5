//! `troop`: train, evaluate and inspect experiments on one machine, and measure what it can carry.

mod commands;
mod evaluation_progress;
mod exit;
mod local_link;
mod progress_bar;
mod services;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Distributed reinforcement learning on CPUs.
#[derive(Parser)]
#[command(name = "troop", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an experiment with learner and workers in this process.
    Train(commands::train::TrainArgs),
    /// Act episodes with a run's newest checkpoint, or with a given one.
    Evaluate(commands::evaluate::EvaluateArgs),
    /// List the experiments that ship.
    Presets(commands::presets::PresetsArgs),
    /// Show an experiment with every key, and where each value comes from.
    Config(commands::config::ConfigArgs),
    /// Show the runs of a directory in a browser.
    Dashboard(commands::dashboard::DashboardArgs),
    /// Make a page of tables and learning curves from finished runs.
    Report(commands::report::ReportArgs),
    /// Measure what this machine can carry: gradients into a learner, weights out of it.
    Bench(commands::bench::BenchArgs),
}

/// Frames and messages come and go by the megabyte: the system's allocator would give their pages
/// back and fault them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => commands::train::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Presets(args) => commands::presets::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Config(args) => commands::config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Dashboard(args) => commands::dashboard::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Report(args) => commands::report::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => commands::bench::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| exit::report(&error))
}
