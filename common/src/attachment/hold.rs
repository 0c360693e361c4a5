use std::time::Duration;

use crate::dialling::{Backoff, Outage};
use crate::experiment::WireSettings;
use crate::proto::v1::attach_replay_request::Kind as Told;
use tokio::sync::{oneshot, watch};

use super::attached::Attached;
use super::exchange::Exchange;
use super::held::{Attachment, Ended};
use super::lost::Lost;
use super::settings::AttachmentSettings;
use super::stream::Stream;

impl Attachment {
    /// Attaches a replay or a shard to the run of a learner, waiting for that as long as the settings allow, and holds its
    /// place from then on. `counts` gives what it tells of itself about once a second; a shard has an `exchange`.
    ///
    /// # Errors
    /// If the run is over, the learner refuses it, or it stays away too long.
    pub async fn hold(
        settings: AttachmentSettings,
        counts: impl Fn() -> Told + Send + Sync + 'static,
        exchange: Option<Exchange>,
    ) -> Result<(Attached, Self), Ended> {
        let (ends, ended) = watch::channel(None);
        let (first, attached) = oneshot::channel();
        let mut holder = Holder::new(settings, first, exchange);
        let task = tokio::spawn(async move {
            let end = holder.work(&counts).await;
            ends.send_replace(Some(end));
        });
        let mut attachment = Self { ended, task };
        match attached.await {
            Ok(attached) => Ok((attached, attachment)),
            Err(_) => Err(attachment.ended().await),
        }
    }
}

/// Attaches again and again, for as long as the run goes on.
struct Holder {
    settings: AttachmentSettings,
    wire: WireSettings,
    backoff: Backoff,
    outage: Outage,
    attached: Option<Attached>,
    /// Is told of the first time.
    first: Option<oneshot::Sender<Attached>>,
    /// Of a shard.
    exchange: Option<Exchange>,
}

impl Holder {
    fn new(
        settings: AttachmentSettings,
        first: oneshot::Sender<Attached>,
        exchange: Option<Exchange>,
    ) -> Self {
        Self {
            backoff: Backoff::new(&settings.actor, settings.jitter_seed),
            wire: WireSettings::default(),
            outage: Outage::new(),
            attached: None,
            first: Some(first),
            exchange,
            settings,
        }
    }

    async fn work(&mut self, counts: &(impl Fn() -> Told + Sync)) -> Ended {
        loop {
            let lost = match self.attach().await {
                Ok(stream) => {
                    let lost = stream.tell(counts, &mut self.exchange).await;
                    Exchange::lost(&self.exchange);
                    // It was there until now.
                    self.outage = Outage::new();
                    lost
                }
                Err(lost) => lost,
            };
            let reason = match lost {
                Lost::Finished(reason) => return Ended::Finished(reason),
                Lost::Replaced(reason) => return Ended::Replaced(reason),
                Lost::Refused(reason) => return self.failed(&reason),
                Lost::Passing(reason) => reason,
            };
            if let Some(failed) = self.pause(&reason).await {
                return failed;
            }
        }
    }

    async fn attach(&mut self) -> Result<Stream, Lost> {
        let index = self.attached.as_ref().map(|attached| attached.index);
        let stream = Stream::open(&self.settings, &self.wire, index).await?;
        let attached = &stream.attached;
        if let Some(before) = &self.attached {
            match self.settings.shard {
                Some(_) => before.same_life(attached)?,
                None => before.agree(attached)?,
            }
        }
        let (index, run, epoch) = (attached.index, &attached.run, attached.epoch);
        tracing::info!(index, run, epoch, "attached to the learner");
        self.settings.actor = attached.experiment.actor.clone();
        self.wire = attached.experiment.wire.clone();
        self.backoff = Backoff::new(&self.settings.actor, self.settings.jitter_seed);
        self.attached = Some(attached.clone());
        if let Some(first) = self.first.take() {
            // Nobody may wait for it any more.
            let _ = first.send(attached.clone());
        }
        Ok(stream)
    }

    /// Waits before the next try; why it is given up if there is none.
    async fn pause(&mut self, reason: &str) -> Option<Ended> {
        let url = self.settings.learner.full_url();
        if self.outage.tell() {
            tracing::warn!(url, reason, "not attached to the learner; trying again");
        }
        let seconds = self.settings.actor.give_up_after_s;
        match self.outage.left_of(Duration::from_secs(seconds)) {
            Some(left) => {
                tokio::time::sleep(self.backoff.next().min(left)).await;
                None
            }
            None => Some(self.failed(&format!(
                "gave up after {seconds} s (`actor.give_up_after_s`): {reason}"
            ))),
        }
    }

    fn failed(&self, reason: &str) -> Ended {
        let url = self.settings.learner.full_url();
        Ended::Failed(format!("learner at {url}: {reason}"))
    }
}
