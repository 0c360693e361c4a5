//! `troop-bench`, which `troop bench` starts: what this machine can carry, measured over the real wire in processes of
//! their own, beside what the machine itself can do in the same run.

mod apply;
mod certificates;
mod exposition;
mod helper;
mod histogram;
mod ingest;
mod interruption;
mod learner_process;
mod learners;
mod memory_copy;
mod message_buffer;
mod network;
mod numbers;
mod optimizer_alone;
mod own_replay;
mod parent;
mod place;
mod plan;
mod process_usage;
mod program;
mod publish;
mod raw_peer;
mod raw_socket;
mod replay;
mod replay_service;
mod rounds;
mod sender;
mod shared_replay;
mod shown;
mod socket;
mod stage;
mod subscriber;
mod summary;
mod tally;
mod train;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use troop_common::experiment::ConfigError;
use troop_common::process::conclude;
use troop_common::token::TokenError;

troop_common::use_allocator!();

/// Measure what this machine can carry: gradients into a learner, weights out of it, whole trainings.
#[derive(Parser)]
#[command(
    name = "troop bench",
    bin_name = "troop bench",
    version,
    propagate_version = true
)]
struct CommandLine {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Gradients into a learner, or into several of one run: gradients/s, GB/s, CPU, memory, queue wait, staleness.
    Ingest(ingest::IngestArgs),
    /// Weights out of a learner to many subscribers: GB/s, publishes/s, memory.
    Publish(publish::PublishArgs),
    /// The optimisers' kernels alone, and several appliers at once.
    Apply(apply::ApplyArgs),
    /// A worker's replay memory of Atari frames: memory, and transitions/s.
    Replay(replay::ReplayArgs),
    /// How many learners, cores and how much network a cluster needs: arithmetic, and a simulation.
    Plan(plan::PlanArgs),
    /// A whole training: env steps/s, what its workers' time goes to, and what their network alone would allow.
    Train(train::TrainArgs),
    #[command(flatten)]
    Helper(HelperCommand),
}

/// Processes that a bench starts.
#[derive(Subcommand)]
enum HelperCommand {
    #[command(hide = true, disable_help_flag = true)]
    Learner(program::ProgramArgs),
    #[command(hide = true, disable_help_flag = true)]
    Training(program::ProgramArgs),
    #[command(hide = true)]
    Sender(sender::SenderArgs),
    #[command(hide = true)]
    Subscriber(subscriber::SubscriberArgs),
    #[command(hide = true, disable_help_flag = true)]
    ReplayProcess(program::ProgramArgs),
    #[command(hide = true)]
    ReplayWriters(replay_service::ReplayWorkersArgs),
    #[command(hide = true)]
    ReplayReaders(replay_service::ReplayWorkersArgs),
    #[command(hide = true)]
    RawSender(raw_peer::RawPeerArgs),
    #[command(hide = true)]
    RawReceiver(raw_peer::RawPeerArgs),
}

fn main() -> ExitCode {
    let outcome = run(&CommandLine::parse().bench);
    conclude(outcome.map(|()| ExitCode::SUCCESS), is_usage)
}

/// Whether an error is the user's to mend.
fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<ConfigError>() || error.is::<TokenError>()
}

/// # Errors
/// If a process cannot start or ends early, or the bench is interrupted.
fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Ingest(args) => ingest::run(args),
        Bench::Publish(args) => publish::run(args),
        Bench::Apply(args) => apply::run(args),
        Bench::Replay(args) => replay::run(args),
        Bench::Plan(args) => plan::run(args),
        Bench::Train(args) => train::run(args),
        Bench::Helper(command) => help(command),
    }
}

fn help(command: &HelperCommand) -> anyhow::Result<()> {
    parent::end_with_parent()?;
    match command {
        HelperCommand::Learner(args) => args.become_program("troop-learner"),
        HelperCommand::Training(args) => args.become_program("troop"),
        HelperCommand::Sender(args) => sender::run(args),
        HelperCommand::Subscriber(args) => subscriber::run(args),
        HelperCommand::ReplayProcess(args) => args.become_program("troop-replay"),
        HelperCommand::ReplayWriters(args) => replay_service::write(args),
        HelperCommand::ReplayReaders(args) => replay_service::read(args),
        HelperCommand::RawSender(args) => raw_peer::send(args),
        HelperCommand::RawReceiver(args) => raw_peer::receive(args),
    }
}
