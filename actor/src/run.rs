use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use troop_actor::link::{Connector, EndpointSettings, GrpcLink, Interrupt, JoinInfo, LinkClosed};
use troop_actor::metrics::ActorMetrics;
use troop_actor::worker::{Identity, Worker, WorkerError, worker_seed};
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::experiment::{ActorSettings, Experiment};
use troop_common::telemetry::{self, Door, Hosts};
use troop_common::token::BearerToken;

use crate::args::Args;

/// What SIGINT asks for was done.
const INTERRUPTED: u8 = 130;

/// What a worker has once it has joined.
type Joined = (GrpcLink, Experiment, JoinInfo);

/// The first signal that came.
type Caught = Arc<OnceLock<SignalKind>>;

/// One thread carries the sessions of several workers, to whom the cores belong.
fn network_threads() -> usize {
    1 + std::thread::available_parallelism().map_or(0, |cores| cores.get() / 8)
}

/// The workers of this process and what they share.
struct Actor {
    endpoint: EndpointSettings,
    host: String,
    python: Option<PathBuf>,
    metrics: ActorMetrics,
    runtime: Runtime,
}

/// Runs the workers until the run is over, they fail, or a signal ends them.
///
/// # Errors
/// Where they cannot start, or one of them fails.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    descriptors::raise_limit()?;
    telemetry::init_logging(&args.telemetry())?;
    let actor = Actor::new(args)?;
    let caught = actor.catch_signals()?;
    if let Some(address) = args.http {
        actor.serve(address)?;
    }
    actor.work(args.workers)?;
    Ok(match caught.get() {
        Some(kind) if *kind == SignalKind::interrupt() => ExitCode::from(INTERRUPTED),
        _ => ExitCode::SUCCESS,
    })
}

impl Actor {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let token_file = args.token_file.as_deref();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(network_threads())
            .enable_all()
            .build()
            .context("cannot start the threads of the network")?;
        let endpoint = EndpointSettings {
            url: args.learner(),
            tls: args.tls()?,
            token: token_file.map(BearerToken::read).transpose()?,
            worker: String::new(),
            actor: ActorSettings {
                give_up_after_s: args.give_up_after_s,
                ..ActorSettings::default()
            },
            interrupt: Interrupt::default(),
            connector: Connector::System,
            jitter_seed: 0,
        };
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            endpoint,
            host,
            python: args.python.clone(),
            metrics: ActorMetrics::new()?,
            runtime,
        })
    }

    /// The first signal ends the workers, the second the process.
    fn catch_signals(&self) -> anyhow::Result<Caught> {
        let _inside = self.runtime.enter();
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let caught = Caught::default();
        let (first, interrupt) = (Arc::clone(&caught), self.endpoint.interrupt.clone());
        self.runtime.spawn(async move {
            let kind = next(&mut interrupts, &mut terminations).await;
            tracing::info!(
                "workers end after their current gradient; a second signal ends at once"
            );
            // Nothing else sets it.
            let _ = first.set(kind);
            interrupt.raise("the actor was told to stop");
            next(&mut interrupts, &mut terminations).await;
            process::exit(i32::from(INTERRUPTED));
        });
        Ok(caught)
    }

    /// Serves `/metrics` and `/healthz` for as long as the process lives.
    fn serve(&self, address: SocketAddr) -> anyhow::Result<()> {
        let bound = self.runtime.block_on(TcpListener::bind(address));
        let listener = bound.with_context(|| format!("cannot listen on {address} (--http)"))?;
        println!("HTTP  http://{}", listener.local_addr()?);
        let router = telemetry::metrics_router(self.metrics.registry.clone());
        let door = Door {
            gate: Gate::of_process("troop_actor", &self.metrics.registry)?,
            hosts: Hosts::local_and(&[]),
        };
        let service = telemetry::serve(listener, router, door, std::future::pending());
        self.runtime.spawn(service);
        Ok(())
    }

    /// Runs `workers`, or as many as the experiment says.
    fn work(&self, workers: Option<usize>) -> anyhow::Result<()> {
        let first = match self.join(0) {
            Ok(first) => first,
            Err(closed) => return finished(closed),
        };
        let workers = count(workers.unwrap_or(first.1.actor.workers));
        tracing::info!(
            learner = self.endpoint.url,
            experiment = first.1.experiment.name,
            run = first.2.run,
            epoch = first.2.epoch,
            workers,
            "actor joined"
        );
        self.metrics.run.set(&first.2.run, &first.1);
        let mut first = Some(first);
        let failed = std::thread::scope(|scope| {
            let start = |index| {
                let joined = first.take();
                let thread = std::thread::Builder::new().name(format!("worker-{index}"));
                thread.spawn_scoped(scope, move || self.run_worker(index, workers, joined))
            };
            let threads: Vec<_> = (0..workers).map(start).collect::<Result<_, _>>()?;
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(false));
            std::io::Result::Ok(ended.filter(|well| !well).count())
        });
        let failed = failed.context("cannot start a worker's thread")?;
        anyhow::ensure!(
            failed == 0,
            "{failed} of {workers} workers failed; the log says why"
        );
        Ok(())
    }

    /// Whether a worker ended well. The others go on either way.
    fn run_worker(&self, index: usize, workers: usize, joined: Option<Joined>) -> bool {
        let result = match joined.map_or_else(|| self.join(index), Ok) {
            Ok(joined) => self
                .run_joined(joined, workers)
                .map_err(anyhow::Error::from),
            Err(closed) => finished(closed),
        };
        if let Err(error) = &result {
            tracing::error!(worker = index, "{error:#}");
        }
        result.is_ok()
    }

    fn run_joined(
        &self,
        (link, mut experiment, info): Joined,
        workers_here: usize,
    ) -> Result<(), WorkerError> {
        if self.python.is_some() {
            experiment.environment.python.clone_from(&self.python);
        }
        let identity = Identity {
            seed: worker_seed(experiment.experiment.seed, info.epoch, info.session),
            index: info.worker_index as usize,
            workers_here,
        };
        Worker::new(&experiment, identity, Box::new(link), self.metrics.clone())?.run()
    }

    fn join(&self, index: usize) -> Result<Joined, LinkClosed> {
        let endpoint = EndpointSettings {
            worker: format!("{}/{index}", self.host),
            // Two actors on one host name their workers alike.
            jitter_seed: RandomState::new().hash_one(index),
            ..self.endpoint.clone()
        };
        GrpcLink::join(self.runtime.handle(), endpoint)
    }
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = interrupts.recv() => SignalKind::interrupt(),
        _ = terminations.recv() => SignalKind::terminate(),
    }
}

/// 0 takes one a core.
fn count(workers: usize) -> usize {
    match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        chosen => chosen,
    }
}

/// Whether there is nothing wrong with how a link closed.
fn finished(closed: LinkClosed) -> anyhow::Result<()> {
    match closed {
        LinkClosed::Finished(reason) => {
            tracing::info!(reason, "nothing to do");
            Ok(())
        }
        LinkClosed::Failed(reason) => anyhow::bail!(reason),
    }
}
