use std::process::ExitCode;

use clap::{Parser, Subcommand};
use troop_common::process::conclude;

use crate::commands::{
    bench, config, dashboard, evaluate, needs, presets, reference, report, train,
};
use crate::usage::is_usage;

/// Distributed reinforcement learning on CPUs.
#[derive(Parser)]
#[command(name = "troop", version, propagate_version = true)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an experiment with learner and workers in this process.
    Train(train::TrainArgs),
    /// Act episodes with a run's newest checkpoint, or with a given one.
    Evaluate(evaluate::EvaluateArgs),
    /// List the experiments that ship.
    Presets(presets::PresetsArgs),
    /// Show an experiment with every key, and where each value comes from.
    Config(config::ConfigArgs),
    /// Show the runs of a directory in a browser.
    Dashboard(dashboard::DashboardArgs),
    /// Make a page of tables and learning curves from finished runs.
    Report(report::ReportArgs),
    /// Say what `scripts/setup.sh` has to set up before an experiment can train.
    #[command(hide = true)]
    Needs(train::TrainArgs),
    /// Write the tables of keys and metrics into a checkout's documents.
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
    /// Measure what this machine can carry: gradients into a learner, weights out of it.
    #[command(
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = "`troop bench --help` says what can be measured, and with which options."
    )]
    Bench(bench::BenchArgs),
}

impl CommandLine {
    /// Does what was asked for; gives the program's exit code: 0 done, 1 failed, 2 bad usage or configuration, 3 the
    /// run is over and has not learnt, 130 interrupted.
    pub fn run(&self) -> ExitCode {
        let done = |()| ExitCode::SUCCESS;
        let outcome = match &self.command {
            Command::Train(args) => train::run(args),
            Command::Evaluate(args) => evaluate::run(args).map(done),
            Command::Presets(args) => presets::run(args).map(done),
            Command::Config(args) => config::run(args).map(done),
            Command::Dashboard(args) => dashboard::run(args).map(done),
            Command::Report(args) => report::run(args).map(done),
            Command::Needs(args) => needs::run(args).map(done),
            Command::Reference(args) => reference::run(args).map(done),
            Command::Bench(args) => bench::run(args).map(done),
        };
        conclude(outcome, is_usage)
    }
}
