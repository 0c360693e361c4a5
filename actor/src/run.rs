use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use troop_actor::environment::EnvironmentError;
use troop_actor::link::{
    Connector, EndpointSettings, GrpcLink, Interrupt, JoinInfo, LinkClosed, RemoteReplayReader,
    RemoteReplaySettings, RemoteReplayWriter, ReplayReader,
};
use troop_actor::metrics::ActorMetrics;
use troop_actor::role::{Act, Bundled, Evaluate, Identity, Train, WorkerError, worker_seed};
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::experiment::{ActorSettings, EnvironmentSettings, Experiment};
use troop_common::process::{INTERRUPTED, Signals, Wish, cores, die, say, worker_count};
use troop_common::role::Role;
use troop_common::telemetry::{self, Door, Hosts};
use troop_common::token::BearerToken;

use crate::args::Args;

/// What a worker has once it has joined.
type Joined = (GrpcLink, Experiment, JoinInfo);

/// The first signal that came.
type Caught = Arc<OnceLock<Wish>>;

/// One thread carries the sessions of several workers, to whom the cores belong.
fn network_threads() -> usize {
    1 + cores() / 8
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

    /// Runs them to their end; gives how many did not end well.
    fn run_all(&self, first: Joined, workers: usize) -> std::io::Result<usize> {
        let mut first = Some(first);
        std::thread::scope(|scope| {
            let start = |index| {
                let joined = first.take();
                let thread = std::thread::Builder::new().name(format!("worker-{index}"));
                thread.spawn_scoped(scope, move || self.run_worker(index, workers, joined))
            };
            let threads: Vec<_> = (0..workers).map(start).collect::<Result<_, _>>()?;
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(false));
            Ok(ended.filter(|well| !well).count())
        })
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
        own_programs(&mut experiment.environment, self.python.as_deref())
            .map_err(EnvironmentError::Fatal)?;
        let identity = Identity {
            seed: worker_seed(experiment.experiment.seed, info.epoch, info.session),
            index: info.worker_index as usize,
            workers_here,
        };
        match info.role {
            Role::Bundled => {
                let metrics = self.metrics.clone();
                Bundled::new(&experiment, identity, Box::new(link), metrics)?.run()
            }
            Role::Act => self.act(&experiment, identity, link, &info),
            Role::Train => self.train(&experiment, identity, link, &info),
            Role::Evaluate => {
                let metrics = self.metrics.clone();
                Evaluate::new(&experiment, identity, Box::new(link), metrics)?.run()
            }
        }
    }

    fn act(
        &self,
        experiment: &Experiment,
        identity: Identity,
        link: GrpcLink,
        info: &JoinInfo,
    ) -> Result<(), WorkerError> {
        let settings = self.replays(experiment, &link, info);
        let replay = Box::new(RemoteReplayWriter::new(settings));
        let metrics = self.metrics.clone();
        Act::new(experiment, identity, Box::new(link), replay, metrics)?.run()
    }

    fn train(
        &self,
        experiment: &Experiment,
        identity: Identity,
        link: GrpcLink,
        info: &JoinInfo,
    ) -> Result<(), WorkerError> {
        let settings = self.replays(experiment, &link, info);
        let mut replay = Box::new(RemoteReplayReader::new(settings));
        let spaces = match replay.spaces() {
            Ok(spaces) => spaces,
            Err(closed) => return closed.into_result().map_err(WorkerError::Link),
        };
        let (link, metrics) = (Box::new(link), self.metrics.clone());
        Train::new(experiment, &spaces, identity, link, replay, metrics)?.run()
    }

    /// How a worker reaches the replays of its run.
    fn replays(
        &self,
        experiment: &Experiment,
        link: &GrpcLink,
        info: &JoinInfo,
    ) -> RemoteReplaySettings {
        let news = link.news();
        let index = info.worker_index as usize;
        RemoteReplaySettings {
            urls: news.replays(),
            learner: Some(news),
            run: info.run.clone(),
            worker: format!("{}/{index}", self.host),
            worker_index: index,
            tls: self.endpoint.tls.clone(),
            token: self.endpoint.token.clone(),
            interrupt: self.endpoint.interrupt.clone(),
            connector: Connector::System,
            actor: experiment.actor.clone(),
            wire: experiment.wire.clone(),
            prefetch: experiment.topology.prefetch,
            jitter_seed: RandomState::new().hash_one(index),
            runtime: self.runtime.handle().clone(),
        }
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

/// As many workers as the experiment says.
fn workers_of((_, experiment, info): &Joined) -> usize {
    match info.role {
        Role::Bundled | Role::Act => experiment.actor.workers,
        Role::Train => experiment.topology.trainers,
        Role::Evaluate => 1,
    }
}

/// What an actor runs is chosen on its own side: the interpreter, and where modules are looked for. A learner names
/// modules alone.
///
/// # Errors
/// If its experiment asks for a file elsewhere than in the current directory.
fn own_programs(
    environment: &mut EnvironmentSettings,
    python: Option<&Path>,
) -> Result<(), String> {
    if let Some(asked) = &environment.python
        && Some(asked.as_path()) != python
    {
        tracing::warn!(asked = %asked.display(), "the learner's environment.python is not used; --python is");
    }
    environment.python = python.map(Path::to_path_buf);
    let stays_here = |file: &str| {
        let mut parts = Path::new(file).components();
        parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    let elsewhere = environment.imports.iter().find(|name| !stays_here(name));
    elsewhere.map_or(Ok(()), |name| {
        Err(format!(
            "the learner's experiment imports `{name}`, and an actor runs files of its current directory alone: start \
             it where the file is and name it without that directory, or install it as a module"
        ))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(python: Option<&str>, imports: &[&str]) -> EnvironmentSettings {
        EnvironmentSettings {
            python: python.map(PathBuf::from),
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            ..EnvironmentSettings::default()
        }
    }

    #[test]
    fn the_interpreter_is_the_actors_own() {
        for own in [None, Some(Path::new("/own/python"))] {
            let mut environment = settings(
                Some("/tmp/evil"),
                &["corridor", "corridor.py", "./envs/a.py"],
            );
            own_programs(&mut environment, own).unwrap();
            assert_eq!(environment.python.as_deref(), own);
        }
    }

    #[test]
    fn files_elsewhere_are_not_run() {
        for elsewhere in ["/tmp/evil.py", "../evil.py", "envs/../../evil.py"] {
            let error = own_programs(&mut settings(None, &["good", elsewhere]), None).unwrap_err();
            assert!(error.contains(elsewhere), "{error}");
        }
    }
}
