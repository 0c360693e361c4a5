//! `troop bench`: what this machine can carry, measured over the real wire in processes of their
//! own, beside what the machine itself can do in the same run.

mod apply;
mod certificates;
mod exposition;
mod helper;
mod histogram;
mod ingest;
mod interruption;
mod learner_process;
mod memory_copy;
mod message_buffer;
mod optimizer_alone;
mod parent;
mod process_usage;
mod publish;
mod raw_peer;
mod raw_socket;
mod replay;
mod sender;
mod socket;
mod stage;
mod subscriber;
mod summary;
mod tally;

use clap::{Args, Subcommand};

/// Measure what this machine can carry.
#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Gradients into a learner: gradients/s, GB/s, CPU, memory, queue wait, staleness.
    Ingest(ingest::IngestArgs),
    /// Weights out of a learner to many subscribers: GB/s, publishes/s, memory.
    Publish(publish::PublishArgs),
    /// The optimisers' kernels alone, and several appliers at once.
    Apply(apply::ApplyArgs),
    /// A worker's replay memory of Atari frames: memory, and transitions/s.
    Replay(replay::ReplayArgs),
    #[command(flatten)]
    Part(Part),
}

/// Processes that a bench starts.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true, disable_help_flag = true)]
    Learner(learner_process::LearnerArgs),
    #[command(hide = true)]
    Sender(sender::SenderArgs),
    #[command(hide = true)]
    Subscriber(subscriber::SubscriberArgs),
    #[command(hide = true)]
    RawSender(raw_peer::RawPeerArgs),
    #[command(hide = true)]
    RawReceiver(raw_peer::RawPeerArgs),
}

/// # Errors
/// Where a process cannot start or ends early, or the bench is interrupted.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    match &args.bench {
        Bench::Ingest(args) => ingest::run(args),
        Bench::Publish(args) => publish::run(args),
        Bench::Apply(args) => apply::run(args),
        Bench::Replay(args) => replay::run(args),
        Bench::Part(part) => run_part(part),
    }
}

fn run_part(part: &Part) -> anyhow::Result<()> {
    parent::end_with_parent()?;
    match part {
        Part::Learner(args) => learner_process::become_learner(args),
        Part::Sender(args) => sender::run(args),
        Part::Subscriber(args) => subscriber::run(args),
        Part::RawSender(args) => raw_peer::send(args),
        Part::RawReceiver(args) => raw_peer::receive(args),
    }
}
