//! A process that follows published weights and only counts them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::transport::Endpoint;
use troop_common::proto::v1::{WatchRequest, WeightsChunk};
use troop_common::wire::{self, FRAME_BYTES, Messages, Outgoing, WINDOW_BYTES};

use super::stage::Stage;

/// Time between two looks at whether the measurement is over.
const TICK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(crate) struct SubscriberArgs {
    /// The learner's address.
    #[arg(long)]
    url: String,
    /// Subscribers, a connection each.
    #[arg(long)]
    subscribers: usize,
    /// They open their streams and never read from them.
    #[arg(long)]
    stalled: bool,
}

/// Follows until standard input is closed.
///
/// # Errors
/// If the learner cannot be reached.
pub(super) fn run(args: &SubscriberArgs) -> anyhow::Result<()> {
    // One thread reads for all of them; those of the stage only count.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the thread of the network")?;
    let part = |_| {
        let handle = runtime.handle().clone();
        move |stage: &Stage| {
            let stream = handle.block_on(open(&args.url))?;
            stage.ready();
            match args.stalled {
                true => handle.block_on(hold(stream, stage)),
                false => handle.block_on(follow(stream, stage))?,
            }
            Ok(())
        }
    };
    Stage::default().run((0..args.subscribers).map(part).collect())
}

async fn open(url: &str) -> anyhow::Result<Messages<Body>> {
    let mut channel = Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .connect()
        .await
        .with_context(|| format!("cannot reach the learner at {url}"))?;
    let request = tokio_stream::once(Ok(Outgoing::new(&WatchRequest {})));
    Ok(wire::call(&mut channel, wire::path::WATCH, request).await?)
}

/// Counts what comes.
async fn follow(mut stream: Messages<Body>, stage: &Stage) -> anyhow::Result<()> {
    while !stage.ended() {
        let Ok(message) = timeout(TICK, stream.next()).await else {
            continue;
        };
        let message = message?.context("the learner ended the stream")?;
        let (chunk, data) = wire::read_weights(message)?;
        let bytes = data.len() as u64;
        stage.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        if is_last(&chunk, bytes) {
            stage.received.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Keeps a stream and takes nothing from it.
async fn hold(stream: Messages<Body>, stage: &Stage) {
    while !stage.ended() {
        sleep(TICK).await;
    }
    drop(stream);
}

/// Whether a vector ends with a chunk of so many bytes.
fn is_last(chunk: &WeightsChunk, bytes: u64) -> bool {
    let elements = bytes / wire::element_bytes(chunk.encoding()) as u64;
    chunk.offset_elements + elements == chunk.total_elements
}
