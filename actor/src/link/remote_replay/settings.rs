use tokio::runtime::Handle;
use troop_common::dialling::{Connector, Dial, TlsSettings};
use troop_common::experiment::{ActorSettings, WireSettings};
use troop_common::token::BearerToken;

use crate::link::closed::LinkClosed;
use crate::link::{Interrupt, LearnerNews};

/// Where the replays of a run are, and how they are approached.
#[derive(Clone, Debug)]
pub struct RemoteReplaySettings {
    /// Their addresses, by index, as [`Dial`] has them; at least one.
    pub urls: Vec<String>,
    /// What the worker's link to the learner tells: where replays are that came back elsewhere, and when to wait no more.
    /// Without, they stay where they are.
    pub learner: Option<LearnerNews>,
    /// What the run is called, as the learner told it.
    pub run: String,
    /// The worker's name in the replays' logs.
    pub worker: String,
    /// A worker that acts adds to the replay of this index, modulo their number.
    pub worker_index: usize,
    /// The worker's side of TLS.
    pub tls: Option<TlsSettings>,
    /// What the replays' token file holds, where they have one.
    pub token: Option<BearerToken>,
    /// What ends the link before the run is over.
    pub interrupt: Interrupt,
    /// How replays are dialled.
    pub connector: Connector,
    /// How often a replay that is away is looked for, and for how long.
    pub actor: ActorSettings,
    /// Keep-alive.
    pub wire: WireSettings,
    /// Draws that are on their way to a worker that trains, `topology.prefetch`.
    pub prefetch: usize,
    /// Of the jitter in the pauses between tries.
    pub jitter_seed: u64,
    /// What carries the connections; the worker's own thread must not be one of its.
    pub runtime: Handle,
}

impl RemoteReplaySettings {
    /// How the replay of an index, modulo their number, is called.
    pub(super) fn dial(&self, index: usize) -> Dial {
        let index = index % self.urls.len().max(1);
        let told = self.learner.as_ref().and_then(|learner| {
            let urls = learner.replays();
            urls.get(index).cloned()
        });
        let url = told.or_else(|| self.urls.get(index).cloned());
        Dial {
            url: url.unwrap_or_default(),
            tls: self.tls.clone(),
            token: self.token.clone(),
            connector: self.connector.clone(),
        }
    }

    /// Completes once the replay of an index, modulo their number, is elsewhere than at `url`: what comes from there is another's.
    pub(super) async fn moved(&self, index: usize, url: &str) {
        let index = index % self.urls.len().max(1);
        match &self.learner {
            Some(learner) => learner.moved(index, url).await,
            None => std::future::pending().await,
        }
    }

    /// Completes when there is nothing to wait for any more, with the reason.
    pub(super) async fn ended(&self) -> LinkClosed {
        let link = async {
            match &self.learner {
                Some(learner) => learner.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = self.interrupt.raised() => LinkClosed::Finished(reason),
            closed = link => closed,
        }
    }
}
