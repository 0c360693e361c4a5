//! Workers of a process of their own.

use std::sync::atomic::Ordering;

use anyhow::Context;
use clap::Args;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::{Builder, Handle, Runtime};
use troop_actor::link::{
    Connector, Interrupt, RemoteReplayReader, RemoteReplaySettings, RemoteReplayWriter,
    ReplayReader, ReplayWriter,
};
use troop_common::experiment::{ActorSettings, WireSettings};

use crate::shown::SHOWN;
use crate::stage::Stage;

/// What workers are told.
#[derive(Args)]
pub(crate) struct ReplayWorkersArgs {
    /// The replay's address
    #[arg(long)]
    url: String,
    /// Which kind of observations
    #[arg(long)]
    shown: usize,
    /// Transitions of a batch
    #[arg(long)]
    batch: usize,
    /// How many, a thread each
    #[arg(long)]
    workers: usize,
}

impl ReplayWorkersArgs {
    /// As a command line.
    pub(super) fn arguments(url: &str, shown: usize, batch: usize, workers: usize) -> Vec<String> {
        let pairs = [
            ("--url", url.to_owned()),
            ("--shown", shown.to_string()),
            ("--batch", batch.to_string()),
            ("--workers", workers.to_string()),
        ];
        let words = pairs.into_iter();
        words
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect()
    }
}

/// Threads for connections.
///
/// # Errors
/// If the system has none.
pub(super) fn network() -> anyhow::Result<Runtime> {
    let builder = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    builder.context("cannot start the threads of the network")
}

/// The way to a replay.
pub(super) fn link(url: &str, prefetch: usize, runtime: &Handle) -> RemoteReplaySettings {
    RemoteReplaySettings {
        urls: vec![url.to_owned()],
        run: String::new(),
        worker: "bench".into(),
        worker_index: 0,
        tls: None,
        token: None,
        learner: None,
        interrupt: Interrupt::default(),
        connector: Connector::System,
        actor: ActorSettings::default(),
        wire: WireSettings::default(),
        prefetch,
        jitter_seed: 0,
        runtime: runtime.clone(),
    }
}

/// Adds until it is over; counts env steps.
///
/// # Errors
/// If a worker cannot add.
pub(crate) fn write(args: &ReplayWorkersArgs) -> anyhow::Result<()> {
    let runtime = network()?;
    let writer = |seed| {
        let link = link(&args.url, 1, runtime.handle());
        move |stage: &Stage| add(args, RemoteReplayWriter::new(link), seed as u64, stage)
    };
    Stage::default().run((0..args.workers).map(writer).collect())
}

fn add(
    args: &ReplayWorkersArgs,
    mut writer: RemoteReplayWriter,
    seed: u64,
    stage: &Stage,
) -> anyhow::Result<()> {
    let shown = SHOWN[args.shown];
    let segments = shown.segments(seed);
    writer.open(&shown.settings(args.batch), shown.environments())?;
    stage.ready();
    for segment in segments.iter().cycle() {
        if stage.ended() {
            break;
        }
        writer.append(segment)?;
        let steps = segment.len() as u64;
        stage.sent.fetch_add(steps, Ordering::Relaxed);
    }
    Ok(())
}

/// Draws until it is over, and gives what it has drawn priorities; counts transitions.
///
/// # Errors
/// If a worker cannot draw.
pub(crate) fn read(args: &ReplayWorkersArgs) -> anyhow::Result<()> {
    let runtime = network()?;
    let reader = |seed| {
        let link = link(&args.url, 2, runtime.handle());
        move |stage: &Stage| -> anyhow::Result<()> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
            let mut reader = RemoteReplayReader::new(link);
            stage.ready();
            while !stage.ended() {
                let drawn = reader.draw(args.batch, 0.4, 0, &mut rng)?;
                let errors: Vec<f32> = drawn.keys().iter().map(|_| rng.random()).collect();
                reader.reprioritise(drawn.keys(), &errors);
                stage
                    .received
                    .fetch_add(std::hint::black_box(errors).len() as u64, Ordering::Relaxed);
            }
            Ok(())
        }
    };
    Stage::default().run((0..args.workers).map(reader).collect())
}
