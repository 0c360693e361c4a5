//! Replays come and go.

use tokio::sync::watch;
use troop_common::proto::v1;

use super::Ledger;
use super::audience::Member;
use super::journal::Occurrence;
use super::replays::Replays;
use crate::answers::{AttachError, Attachment, ReplayIntroduction, ReplayMissing, ReplayView};
use crate::lock::lock;
use crate::metrics::of_count;

impl Ledger {
    /// Gives a replay its place in the run.
    pub(crate) fn attach(&self, replay: &ReplayIntroduction) -> Result<Attachment, AttachError> {
        if let Some(reason) = self.life.closed_because() {
            self.refused_replay(replay);
            return Err(AttachError::Closed(reason));
        }
        let mut replays = lock(&self.replays);
        let expected = replays.expected();
        if expected == 0 {
            return Err(AttachError::NoPlace);
        }
        let was_there = replays.attached();
        let attachment = replays.attach(replay);
        let attachment = attachment.ok_or(AttachError::Full(expected))?;
        if replays.attached() > was_there {
            self.came(Member::Replay(attachment.index));
        }
        self.show_replays(&replays);
        self.places.send_if_modified(|places| {
            let found = replays.places();
            let news = found.is_some() && *places != found;
            if news {
                *places = found;
            }
            news
        });
        drop(replays);
        let attached = Occurrence::info("replay attached").with("replay", attachment.index);
        self.note(attached.with("url", replay.url.as_str()));
        Ok(attachment)
    }

    /// Takes what a replay tells of itself.
    pub(crate) fn count_replay(&self, attachment: Attachment, counts: v1::ReplayCounts) {
        let now = self.now();
        let mut replays = lock(&self.replays);
        let Some(before) = replays.count(attachment, counts, now) else {
            return;
        };
        self.show_replays(&replays);
        let metrics = self.metrics();
        let more = |now: u64, before: u64| now.saturating_sub(before);
        let added = more(counts.env_steps_inserted, before.env_steps_inserted);
        metrics.replay_env_steps.inc_by(added);
        let drawn = more(counts.items_drawn, before.items_drawn);
        metrics.replay_items_drawn.inc_by(drawn);
    }

    fn show_replays(&self, replays: &Replays) {
        let metrics = self.metrics();
        let (items, bytes) = replays.held();
        metrics.replays.set(replays.attached() as i64);
        metrics.replay_items.set(of_count(items));
        metrics.replay_bytes.set(of_count(bytes));
    }

    /// A replay is gone, for `cause`; whether it has `heard` why, or may call again.
    pub(crate) fn detach(&self, attachment: Attachment, cause: &str, heard: bool) {
        let mut replays = lock(&self.replays);
        let was_there = replays.detach(attachment);
        self.show_replays(&replays);
        if was_there {
            self.gone(&Member::Replay(attachment.index), heard);
        }
        drop(replays);
        if !was_there || !self.life.is_running() {
            return;
        }
        let message = "replay is gone; workers wait for it";
        tracing::warn!(replay = attachment.index, cause, "{message}");
        let gone = Occurrence::warning(message).with("replay", attachment.index);
        self.note(gone.with("cause", cause));
    }

    /// Where the replays are.
    ///
    /// # Errors
    /// If one is not there.
    pub(crate) fn replay_places(&self) -> Result<v1::Replays, ReplayMissing> {
        let replays = lock(&self.replays);
        match replays.missing() {
            Some(missing) => Err(missing),
            None => Ok(replays.places().unwrap_or_default()),
        }
    }

    /// Where the replays are, or were last; none before each has been there once.
    pub(crate) fn replays_elsewhere(&self) -> watch::Receiver<Option<v1::Replays>> {
        self.places.subscribe()
    }

    /// What others are shown of the replays.
    pub(crate) fn replay_views(&self) -> Vec<ReplayView> {
        lock(&self.replays).views(self.now())
    }

    /// What others are told of them over the wire.
    pub(crate) fn replay_statuses(&self) -> Vec<v1::ReplayStatus> {
        lock(&self.replays).statuses(self.now())
    }
}
