use std::sync::Arc;
use std::time::Duration;

use troop_common::dialling::{Backoff, Outage};
use troop_common::experiment::{ActorSettings, Experiment, WireSettings};

use super::endpoint::EndpointSettings;
use super::leave_limit::LEAVE_LIMIT;
use super::mailbox::Mailbox;
use super::session::{self, JoinedSession};
use super::session_end::SessionEnd;
use crate::link::closed::LinkClosed;

/// Holds a session with the learner for as long as the worker wants one: one after the other.
pub(super) struct Supervisor {
    settings: EndpointSettings,
    wire: WireSettings,
    mailbox: Arc<Mailbox>,
    backoff: Backoff,
    outage: Outage,
    known: Option<Known>,
}

/// What later sessions must agree with.
struct Known {
    experiment: Experiment,
    epoch: u64,
    /// Empty until the worker has said what its parameters look like.
    fingerprint: String,
}

impl Supervisor {
    pub(super) fn new(settings: EndpointSettings, mailbox: Arc<Mailbox>) -> Self {
        Self {
            backoff: Backoff::new(&settings.actor, settings.jitter_seed),
            wire: WireSettings::default(),
            settings,
            mailbox,
            outage: Outage::new(),
            known: None,
        }
    }

    pub(super) async fn run(mut self) {
        let closed = self.work().await;
        self.mailbox.end(closed);
    }

    /// Why the link closes; none where the worker left.
    async fn work(&mut self) -> Option<LinkClosed> {
        let mailbox = Arc::clone(&self.mailbox);
        loop {
            // In this order, so that what happens does not depend on chance.
            let end = tokio::select! {
                biased;
                end = self.session() => end,
                () = left_for(&mailbox, LEAVE_LIMIT) => SessionEnd::Left,
            };
            mailbox.lost();
            match end {
                SessionEnd::Left => return None,
                SessionEnd::Finished(reason) => return Some(LinkClosed::Finished(reason)),
                SessionEnd::Refused(reason) => return Some(self.failed(&reason)),
                SessionEnd::Lost(_) if mailbox.is_leaving() => return None,
                SessionEnd::Lost(reason) => match self.pause(&reason).await {
                    None => {}
                    failed => return failed,
                },
            }
        }
    }

    async fn session(&mut self) -> SessionEnd {
        self.try_session().await.unwrap_or_else(|end| end)
    }

    async fn try_session(&mut self) -> Result<SessionEnd, SessionEnd> {
        let mut joined = self.join().await?;
        self.join_shards(&mut joined).await?;
        let first = self
            .known
            .as_ref()
            .is_none_or(|known| known.fingerprint.is_empty());
        let layout = self.mailbox.layout().await.ok_or(SessionEnd::Left)?;
        if first {
            // The worker took its time; the learner was there.
            self.outage = Outage::new();
        }
        let session = joined.info.session;
        let open = joined.open(&layout, Arc::clone(&self.mailbox)).await?;
        if let Some(known) = &mut self.known {
            known.fingerprint = layout.fingerprint();
        }
        self.reached(session);
        let end = open.receive().await;
        self.outage = Outage::new();
        Ok(end)
    }

    /// Joins, and makes sure that this is the run that the worker was made for.
    async fn join(&mut self) -> Result<JoinedSession, SessionEnd> {
        let fingerprint = self
            .known
            .as_ref()
            .map_or("", |known| known.fingerprint.as_str());
        let mut joined = session::join(&self.settings, &self.wire, fingerprint).await?;
        self.mailbox
            .replays_are(std::mem::take(&mut joined.replays));
        match &mut self.known {
            Some(known) => known.agree(&joined)?,
            None => {
                let experiment = joined.experiment.clone();
                if experiment.wire != self.wire {
                    // The connection was made before its settings were known.
                    self.wire = experiment.wire.clone();
                    joined.client = session::connect(&self.settings, &self.wire).await?;
                }
                self.settings.actor = experiment.actor.clone();
                self.backoff = Backoff::new(&experiment.actor, self.settings.jitter_seed);
                let (epoch, fingerprint) = (joined.info.epoch, String::new());
                self.mailbox.joined(experiment.clone(), joined.info.clone());
                self.known = Some(Known {
                    experiment,
                    epoch,
                    fingerprint,
                });
            }
        }
        Ok(joined)
    }

    async fn join_shards(&self, joined: &mut JoinedSession) -> Result<(), SessionEnd> {
        let known = self.known.as_ref();
        let fingerprint = known.map_or("", |known| known.fingerprint.as_str());
        joined
            .join_shards(&self.settings, &self.wire, fingerprint)
            .await
    }

    fn reached(&mut self, session: u64) {
        self.backoff.reset();
        let url = self.settings.full_url();
        if self.outage.was_told() {
            tracing::info!(url, session, "the learner is back");
        } else {
            tracing::debug!(url, session, "session opened");
        }
    }

    /// Waits before the next try; why it is given up where there is none.
    async fn pause(&mut self, reason: &str) -> Option<LinkClosed> {
        let url = self.settings.full_url();
        let ActorSettings {
            give_up_after_s, ..
        } = self.settings.actor;
        if self.outage.tell() {
            tracing::warn!(
                url,
                reason,
                give_up_after_s,
                "no connection to the learner; trying again"
            );
        } else {
            tracing::debug!(url, reason, "still no connection to the learner");
        }
        let Some(left) = self.outage.left_of(Duration::from_secs(give_up_after_s)) else {
            let advice = match self.known {
                Some(_) => "start the actor again once the learner is back",
                None => "start the learner first, or set --learner or --give-up-after-s",
            };
            return Some(self.failed(&format!(
                "gave up after {give_up_after_s} s (`actor.give_up_after_s`): {reason}; {advice}"
            )));
        };
        let pause = self.backoff.next().min(left);
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = self.mailbox.left() => {}
        }
        None
    }

    fn failed(&self, reason: &str) -> LinkClosed {
        LinkClosed::Failed(format!("learner at {}: {reason}", self.settings.full_url()))
    }
}

/// A task that is dropped, as that of a runtime that shuts down, leaves nobody waiting.
impl Drop for Supervisor {
    fn drop(&mut self) {
        let closed = self.failed("the link's task was ended; its runtime shuts down");
        self.mailbox.end(Some(closed));
    }
}

impl Known {
    /// The learner may have been restarted meanwhile, and somebody may have started another run.
    fn agree(&mut self, joined: &JoinedSession) -> Result<(), SessionEnd> {
        let (mine, found) = (&self.experiment, &joined.experiment);
        let same = [
            (
                "experiment.name",
                mine.experiment.name == found.experiment.name,
            ),
            (
                "experiment.seed",
                mine.experiment.seed == found.experiment.seed,
            ),
            ("environment", mine.environment == found.environment),
            ("model", mine.model == found.model),
            ("method", mine.method == found.method),
            ("exploration", mine.exploration == found.exploration),
            (
                "learner.shards",
                mine.learner.shards == found.learner.shards,
            ),
            (
                "wire.gradients",
                mine.wire.gradients == found.wire.gradients,
            ),
        ];
        if let Some((key, _)) = same.iter().find(|(_, same)| !same) {
            return Err(SessionEnd::Refused(format!(
                "another experiment runs there now: its `{key}` differs from that of the one that \
                 this worker was made for; restart the actor to join it"
            )));
        }
        if joined.info.epoch < self.epoch {
            return Err(SessionEnd::Lost(format!(
                "it is in epoch {}; this worker has seen epoch {}, and never goes back",
                joined.info.epoch, self.epoch
            )));
        }
        self.epoch = joined.info.epoch;
        Ok(())
    }
}

/// Completes when the worker leaves; where its stream is open, once it had `limit` to be answered.
async fn left_for(mailbox: &Mailbox, limit: Duration) {
    mailbox.left().await;
    if mailbox.is_open() {
        tokio::time::sleep(limit).await;
    }
}
