use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::runtime::Handle;
use troop_actor::link::ReplayReader;
use troop_actor::metrics::ActorMetrics;
use troop_actor::role::{Act, Bundled, Evaluate, Identity, Train, WorkerError, worker_seed};
use troop_common::process::worker_count;
use troop_common::role::Role;
use troop_learner::{Joined, ParameterServer};

use super::evaluator_link::EvaluatorLink;
use super::local_link::LocalLink;
use super::local_replay::{LocalReader, LocalWriter, Presence};

/// What a worker has to do, and with what.
pub(super) enum Post {
    Bundled,
    Act(Presence),
    Train(Presence),
    /// It is told by this that nobody waits for it.
    Evaluate(Arc<AtomicBool>),
}

/// One worker of an embedded run.
pub(super) struct Worker {
    pub(super) server: Arc<ParameterServer>,
    pub(super) joined: Joined,
    pub(super) runtime: Handle,
    pub(super) metrics: ActorMetrics,
}

impl Post {
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Bundled => Role::Bundled,
            Self::Act(_) => Role::Act,
            Self::Train(_) => Role::Train,
            Self::Evaluate(_) => Role::Evaluate,
        }
    }
}

impl Worker {
    /// Works until the run is over.
    pub(super) fn work(self, post: Post) -> Result<(), WorkerError> {
        match post {
            Post::Bundled => self.bundled(),
            Post::Act(presence) => self.act(&presence),
            Post::Train(presence) => self.train(&presence),
            Post::Evaluate(given_up) => self.evaluate(given_up),
        }
    }

    fn bundled(self) -> Result<(), WorkerError> {
        let (identity, link) = (self.identity(), Box::new(self.link()));
        let experiment = self.server.experiment();
        Bundled::new(experiment, identity, link, self.metrics)?.run()
    }

    fn act(self, presence: &Presence) -> Result<(), WorkerError> {
        let (identity, link) = (self.identity(), Box::new(self.link()));
        let replay = Box::new(LocalWriter::new(presence.replay()));
        let experiment = self.server.experiment();
        Act::new(experiment, identity, link, replay, self.metrics)?.run()
    }

    fn train(self, presence: &Presence) -> Result<(), WorkerError> {
        let (identity, link) = (self.identity(), Box::new(self.link()));
        let mut replay = Box::new(LocalReader::new(presence.replay()));
        let spaces = match replay.spaces() {
            Ok(spaces) => spaces,
            Err(closed) => return closed.into_result().map_err(WorkerError::Link),
        };
        let experiment = self.server.experiment();
        Train::new(experiment, &spaces, identity, link, replay, self.metrics)?.run()
    }

    fn evaluate(self, given_up: Arc<AtomicBool>) -> Result<(), WorkerError> {
        let (identity, server) = (self.identity(), Arc::clone(&self.server));
        let link = Box::new(EvaluatorLink::new(self.link(), server, given_up));
        Evaluate::new(self.server.experiment(), identity, link, self.metrics)?.run()
    }

    fn link(&self) -> LocalLink {
        LocalLink::new(Arc::clone(&self.server), self.joined, self.runtime.clone())
    }

    fn identity(&self) -> Identity {
        let (experiment, joined) = (self.server.experiment(), self.joined);
        Identity {
            seed: worker_seed(experiment.experiment.seed, joined.epoch, joined.session),
            index: joined.worker_index as usize,
            workers_here: worker_count(experiment.actor.workers),
        }
    }
}
