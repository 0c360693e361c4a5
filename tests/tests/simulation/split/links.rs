use tokio::runtime::Handle;
use troop_actor::link::{
    AsyncLink, EndpointSettings, Interrupt, JoinInfo, LinkClosed, RemoteReplaySettings,
};
use troop_common::experiment::Experiment;
use troop_common::role::Role;

use super::run::LEARNER;
use crate::connection::{connector, url};
use crate::ledger::elements;
use crate::network::worker_name;
use crate::scenario::actor_settings;
use crate::worker::layout;

/// A worker that has joined.
pub(super) struct Joined {
    pub(super) link: AsyncLink,
    experiment: Experiment,
    info: JoinInfo,
    seed: u64,
}

impl Joined {
    /// Joins as worker `index` in `role`, in a life of this seed.
    pub(super) async fn new(index: usize, role: Role, seed: u64) -> Result<Self, LinkClosed> {
        let endpoint = EndpointSettings {
            url: url(LEARNER),
            tls: None,
            token: None,
            worker: worker_name(index),
            role: Some(role),
            actor: actor_settings(),
            interrupt: Interrupt::default(),
            connector: connector(),
            jitter_seed: seed,
        };
        let (link, experiment, info) = AsyncLink::join(endpoint).await?;
        let (session, epoch) = (info.session, info.epoch);
        tracing::info!(worker = index, session, epoch, "worker joined");
        Ok(Self {
            link,
            experiment,
            info,
            seed,
        })
    }

    /// Opens the session of a run of so many workers that train.
    pub(super) async fn open(&mut self, trainers: usize) -> Result<(), LinkClosed> {
        self.link.open(&layout(elements(trainers))).await
    }

    /// How it reaches the replays.
    pub(super) fn replays(&self) -> RemoteReplaySettings {
        let news = self.link.news();
        let worker_index = self.info.worker_index as usize;
        RemoteReplaySettings {
            urls: news.replays(),
            learner: Some(news),
            run: self.info.run.clone(),
            worker: worker_name(worker_index),
            worker_index,
            tls: None,
            token: None,
            interrupt: Interrupt::default(),
            connector: connector(),
            actor: self.experiment.actor.clone(),
            wire: self.experiment.wire.clone(),
            prefetch: self.experiment.topology.prefetch,
            jitter_seed: !self.seed,
            runtime: Handle::current(),
        }
    }
}
