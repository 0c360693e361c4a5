use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use troop_actor::link::{Connector, EndpointSettings, GrpcLink, Interrupt, JoinInfo, LinkClosed};
use troop_actor::metrics::ActorMetrics;
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::experiment::{ActorSettings, Experiment};
use troop_common::process::{INTERRUPTED, Signals, Wish, cores, die, say, worker_count};
use troop_common::role::Role;
use troop_common::telemetry::{self, Door, Hosts};
use troop_common::token::BearerToken;

use crate::args::Args;

/// What a worker has once it has joined.
pub(crate) type Joined = (GrpcLink, Experiment, JoinInfo);

/// The first signal that came.
type Caught = Arc<OnceLock<Wish>>;

/// One thread carries the sessions of several workers, to whom the cores belong.
fn network_threads() -> usize {
    1 + cores() / 8
}

/// The workers of this process and what they share.
pub(crate) struct Actor {
    pub(crate) endpoint: EndpointSettings,
    pub(crate) host: String,
    pub(crate) python: Option<PathBuf>,
    pub(crate) metrics: ActorMetrics,
    pub(crate) runtime: Runtime,
}

/// Runs the workers until the run is over, they fail, or a signal ends them.
///
/// # Errors
/// If they cannot start, or one of them fails.
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
        Some(Wish::Interrupt) => ExitCode::from(INTERRUPTED),
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
            role: args.role(),
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
        let mut signals = Signals::catch()?;
        let caught = Caught::default();
        let (first, interrupt) = (Arc::clone(&caught), self.endpoint.interrupt.clone());
        self.runtime.spawn(async move {
            let wish = signals.next().await;
            tracing::info!(
                "workers end after their current gradient; another signal, a second later or more, ends at once"
            );
            // Nothing else sets it.
            let _ = first.set(wish);
            interrupt.raise("the actor was told to stop");
            signals.next().await;
            die();
        });
        Ok(caught)
    }

    /// Serves `/metrics` and `/healthz` for as long as the process lives.
    fn serve(&self, address: SocketAddr) -> anyhow::Result<()> {
        let bound = self.runtime.block_on(TcpListener::bind(address));
        let listener = bound.with_context(|| format!("cannot listen on {address} (--http)"))?;
        say(format_args!("HTTP  http://{}", listener.local_addr()?));
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
        let workers = worker_count(workers.unwrap_or_else(|| workers_of(&first)));
        self.announce(&first, workers);
        self.metrics.run.set(&first.2.run, &first.1);
        let failed = self.run_all(first, workers);
        let failed = failed.context("cannot start a worker's thread")?;
        anyhow::ensure!(
            failed == 0,
            "{failed} of {workers} workers failed; the log says why"
        );
        Ok(())
    }

    fn announce(&self, (_, experiment, info): &Joined, workers: usize) {
        tracing::info!(
            learner = self.endpoint.url,
            experiment = experiment.experiment.name,
            run = info.run,
            epoch = info.epoch,
            role = info.role.name(),
            workers,
            "actor joined"
        );
    }

    pub(crate) fn join(&self, index: usize) -> Result<Joined, LinkClosed> {
        let endpoint = EndpointSettings {
            worker: format!("{}/{index}", self.host),
            // Two actors on one host name their workers alike.
            jitter_seed: RandomState::new().hash_one(index),
            ..self.endpoint.clone()
        };
        GrpcLink::join(self.runtime.handle(), endpoint)
    }
}

/// As many workers as the experiment says.
fn workers_of((_, experiment, info): &Joined) -> usize {
    match info.role {
        Role::Bundled | Role::Act => experiment.actor.workers,
        Role::Train => experiment.topology.trainers,
        Role::Evaluate => 1,
    }
}

/// Whether there is nothing wrong with how a link closed.
pub(crate) fn finished(closed: LinkClosed) -> anyhow::Result<()> {
    match closed {
        LinkClosed::Finished(reason) => {
            tracing::info!(reason, "nothing to do");
            Ok(())
        }
        LinkClosed::Failed(reason) => anyhow::bail!(reason),
    }
}
