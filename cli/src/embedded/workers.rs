use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::Handle;
use troop_actor::metrics::ActorMetrics;
use troop_actor::role::WorkerError;
use troop_common::causes::with_causes;
use troop_common::process::worker_count;
use troop_common::role::Role;
use troop_learner::{Joined, ParameterServer};

use super::evaluator::Evaluator;
use super::local_replay::LocalReplay;
use super::worker::{Post, Worker};

/// The workers of an embedded run: a thread each, that works until the run is over.
pub struct Workers {
    threads: Vec<JoinHandle<Result<(), WorkerError>>>,
    evaluator: Option<Evaluator>,
}

impl Workers {
    /// Starts as many as the experiment says, of a run that is called `run`. They wait on `runtime`.
    ///
    /// # Errors
    /// If the learner refuses one, or a thread cannot start.
    pub fn start(
        server: &Arc<ParameterServer>,
        run: &str,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let metrics = ActorMetrics::register(server.metrics().registry.clone())?;
        metrics.run.set(run, server.experiment());
        let posts = posts(server, runtime);
        // All join before any starts, so that each one's number and seed do not depend on timing.
        let join = |(index, post): (usize, Post)| {
            let name = format!("local/{index}");
            let joined = server.join_as(post.role(), name, "this process".into())?;
            Ok((post, joined))
        };
        let joined: Vec<(Post, Joined)> = posts
            .into_iter()
            .enumerate()
            .map(join)
            .collect::<anyhow::Result<_>>()?;
        let evaluator = Evaluator::start(server, runtime, metrics.clone())?;
        let start = |(index, (post, joined)): (usize, (Post, Joined))| {
            let worker = Worker {
                server: Arc::clone(server),
                joined,
                runtime: runtime.clone(),
                metrics: metrics.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let thread = thread.spawn(move || worker.work(post));
            thread.context("cannot start a worker's thread")
        };
        let threads = joined
            .into_iter()
            .enumerate()
            .map(start)
            .collect::<Result<_, _>>()?;
        Ok(Self { threads, evaluator })
    }

    /// Whether any of them still works; who evaluates counts once the run is over.
    pub fn are_running(&self) -> bool {
        let mut threads = self.threads.iter();
        let evaluator = self.evaluator.as_ref();
        threads.any(|thread| !thread.is_finished()) || evaluator.is_some_and(Evaluator::is_awaited)
    }

    /// Waits for no evaluation any more.
    pub fn give_up_evaluating(&self) {
        self.evaluator.iter().for_each(Evaluator::give_up);
    }

    /// Waits for them; gives why the first one failed, if one did.
    pub fn join(self) -> Option<String> {
        let mut first = None;
        for thread in self.threads {
            let failure = match thread.join() {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => with_causes(&error),
                Err(_) => "a worker panicked".into(),
            };
            tracing::error!(error = failure, "worker failed");
            first.get_or_insert(failure);
        }
        if let Some(evaluator) = self.evaluator {
            evaluator.join();
        }
        first
    }
}

/// What there is to do, a post for each worker.
fn posts(server: &Arc<ParameterServer>, runtime: &Handle) -> Vec<Post> {
    let experiment = server.experiment();
    let workers = worker_count(experiment.actor.workers);
    if !experiment.topology.is_split() {
        return (0..workers).map(|_| Post::Bundled).collect();
    }
    let replay = Arc::new(LocalReplay::new(server.phase()));
    runtime.spawn(Arc::clone(&replay).close_at_end());
    let act = replay.presences(Role::Act, workers).map(Post::Act);
    let trainers = experiment.topology.trainers;
    let train = replay.presences(Role::Train, trainers).map(Post::Train);
    act.chain(train).collect()
}
