use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::Handle;
use troop_actor::metrics::ActorMetrics;
use troop_actor::role::WorkerError;
use troop_common::causes::with_causes;
use troop_common::role::Role;
use troop_learner::{ParameterServer, Phase};

use super::worker::{Post, Worker};

/// The worker that evaluates, on a thread of its own. What becomes of it does not concern the others.
pub(super) struct Evaluator {
    thread: JoinHandle<Result<(), WorkerError>>,
    given_up: Arc<AtomicBool>,
    server: Arc<ParameterServer>,
}

impl Evaluator {
    /// Starts it if the experiment asks for evaluations. It joins behind all others, whose seeds stay as they are
    /// without it.
    pub(super) fn start(
        server: &Arc<ParameterServer>,
        runtime: &Handle,
        metrics: ActorMetrics,
    ) -> anyhow::Result<Option<Self>> {
        if !server.experiment().experiment.evaluate.is_on() {
            return Ok(None);
        }
        let name = "local/evaluator".into();
        let worker = Worker {
            joined: server.join_as(Role::Evaluate, name, "this process".into())?,
            server: Arc::clone(server),
            runtime: runtime.clone(),
            metrics,
        };
        let given_up = Arc::new(AtomicBool::new(false));
        let post = Post::Evaluate(Arc::clone(&given_up));
        let thread = std::thread::Builder::new().name("evaluator".into());
        let thread = thread.spawn(move || worker.work(post));
        Ok(Some(Self {
            thread: thread.context("cannot start the evaluator's thread")?,
            given_up,
            server: Arc::clone(server),
        }))
    }

    /// Whether the end of the run waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        *self.server.phase().borrow() != Phase::Running && !self.thread.is_finished()
    }

    /// Tells it that nobody waits for it.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Waits for it; says why it failed, if it did.
    pub(super) fn join(self) {
        if *self.server.phase().borrow() == Phase::Running {
            self.give_up();
        }
        let failure = match self.thread.join() {
            Ok(Ok(())) => return,
            Ok(Err(error)) => with_causes(&error),
            Err(_) => "the evaluator panicked".into(),
        };
        tracing::error!(
            error = failure,
            "evaluator failed; there are no further evaluations"
        );
    }
}
