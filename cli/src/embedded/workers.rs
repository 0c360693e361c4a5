use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::Handle;
use troop_actor::metrics::ActorMetrics;
use troop_actor::role::{Bundled, Identity, WorkerError, worker_seed};
use troop_common::causes::with_causes;
use troop_common::experiment::Experiment;
use troop_common::process::worker_count;
use troop_learner::{Joined, ParameterServer};

use super::local_link::LocalLink;

/// The workers of an embedded run: a thread each, that trains until the run is over.
pub struct Workers {
    threads: Vec<JoinHandle<Result<(), WorkerError>>>,
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
        let experiment = server.experiment();
        let count = worker_count(experiment.actor.workers);
        let metrics = ActorMetrics::register(server.metrics().registry.clone())?;
        metrics.run.set(run, experiment);
        // All join before any starts, so that each one's number and seed do not depend on timing.
        let joined: Vec<Joined> = (0..count)
            .map(|index| server.join(format!("local/{index}"), "this process".into()))
            .collect::<Result<_, _>>()?;
        let start = |(index, joined): (usize, Joined)| {
            let link = LocalLink::new(Arc::clone(server), joined, runtime.clone());
            let work = work(experiment, joined, link, metrics.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            thread.spawn(work).context("cannot start a worker's thread")
        };
        let threads = joined
            .into_iter()
            .enumerate()
            .map(start)
            .collect::<Result<_, _>>()?;
        Ok(Self { threads })
    }

    /// Whether any of them still trains.
    pub fn are_running(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
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
        first
    }
}

fn work(
    experiment: &Experiment,
    joined: Joined,
    link: LocalLink,
    metrics: ActorMetrics,
) -> impl FnOnce() -> Result<(), WorkerError> + Send + 'static {
    let identity = Identity {
        seed: worker_seed(experiment.experiment.seed, joined.epoch, joined.session),
        index: joined.worker_index as usize,
        workers_here: worker_count(experiment.actor.workers),
    };
    let experiment = experiment.clone();
    move || Bundled::new(&experiment, identity, Box::new(link), metrics)?.run()
}
