//! What a ledger knows of the other shards, or follows as that of one.

use tokio::sync::watch;
use troop_common::proto::v1;

use super::Ledger;
use super::audience::Member;
use super::journal::Occurrence;
use crate::answers::{Refusal, ShardIntroduction, ShardMissing, ShardRefused, Verdict};
use crate::lock::lock;
use crate::metrics::of_count;

impl Ledger {
    /// The same for a shard beside the lead: when the run is over it is told.
    pub(crate) fn of_shard(self) -> Self {
        Self {
            leads: false,
            ..self
        }
    }

    /// Whether it says when the run is over.
    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    /// Takes a shard into the run; gives the attachment's number.
    pub(crate) fn attach_shard(&self, shard: &ShardIntroduction) -> Result<u64, ShardRefused> {
        if let Some(reason) = self.life.closed_because() {
            self.refused(&Member::Shard(shard.index));
            return Err(ShardRefused::Closed(reason));
        }
        let mut shards = lock(&self.shards);
        let was_there = shards.is_there(shard.index);
        let attached = shards.attach(shard);
        if attached.is_ok() && !was_there {
            self.came(Member::Shard(shard.index));
        }
        drop(shards);
        match attached {
            Ok(_) => {
                let attached = Occurrence::info("shard attached").with("shard", shard.index);
                self.note(attached.with("url", shard.url.as_str()));
            }
            Err(ShardRefused::Lost(index)) => self.lose_shard(index),
            Err(_) => {}
        }
        attached
    }

    /// The connection of a shard is lost, for `cause`; whether it has `heard` why, or may call again.
    pub(crate) fn detach_shard(&self, index: usize, attachment: u64, cause: &str, heard: bool) {
        let mut shards = lock(&self.shards);
        let was_there = shards.detach(index, attachment);
        if was_there {
            self.gone(&Member::Shard(index), heard);
        }
        drop(shards);
        if was_there && self.life.is_running() {
            let message = "shard is gone; workers wait for it";
            tracing::warn!(shard = index, cause, "{message}");
            let gone = Occurrence::warning(message).with("shard", index);
            self.note(gone.with("cause", cause));
        }
    }

    /// Ends this life if a shard is still away.
    pub(crate) fn give_up_shard(&self, index: usize) {
        if self.life.is_running() && lock(&self.shards).is_away(index) {
            self.lose_shard(index);
        }
    }

    fn lose_shard(&self, index: usize) {
        lock(&self.shards).lose(index);
        self.drain(format!("shard {index} is gone, and its parameters with it"));
    }

    /// Whether the run's parameters are spread over several learners.
    pub(super) fn is_sharded(&self) -> bool {
        lock(&self.shards).count() > 1
    }

    /// Notes that the run is over but for its last checkpoint.
    pub(super) fn be_done(&self, reason: String) {
        self.done.send_if_modified(|done| {
            let is_news = done.is_none();
            if is_news {
                *done = Some(reason);
            }
            is_news
        });
    }

    /// Why the run is over, once it is but for its last checkpoint.
    pub(crate) fn done(&self) -> watch::Receiver<Option<String>> {
        self.done.subscribe()
    }

    /// Whether the run is over but for its last checkpoint.
    pub(crate) fn is_done(&self) -> bool {
        self.done.borrow().is_some()
    }

    /// A shard has what it begins with; whether all have.
    pub(crate) fn shard_has_begun(&self, index: usize) -> bool {
        lock(&self.shards).begun(index)
    }

    /// The shard for whose loss this life ended.
    pub(crate) fn lost_shard(&self) -> Option<usize> {
        lock(&self.shards).lost()
    }

    /// Where the other shards are; none of a run of one.
    pub(crate) fn shard_places(&self) -> Result<Option<v1::Shards>, ShardMissing> {
        lock(&self.shards).places()
    }

    /// Takes what a shard tells of itself, while the lead is at `version`.
    pub(crate) fn count_shard(&self, index: usize, counts: v1::ShardCounts, version: u64) {
        let skew = lock(&self.shards).skew(index, counts.version, version);
        self.metrics().shard_skew.set(of_count(skew));
    }

    /// Counts up to the env steps that the lead is known to have counted: of those who act alone no shard is told.
    pub(crate) fn follow(&self, env_steps: u64) {
        let env_steps = env_steps.min(self.run.total_env_steps);
        self.recorder.follow(env_steps, self.frame_skip);
    }

    /// Nothing is applied beyond the end of the run, although it goes on until its last checkpoint: another shard than the
    /// lead, which says when it is over, knows of env steps alone.
    pub(crate) fn refuse_beyond_the_end(&self) -> Result<(), Refusal> {
        let total = self.run.total_env_steps;
        let done = match self.leads {
            true => self.done.borrow().clone(),
            false => (self.steps().0 >= total).then(|| format!("all {total} env steps are done")),
        };
        match done {
            None => Ok(()),
            Some(detail) => Err(Refusal::new(Verdict::Closed, detail)),
        }
    }
}
