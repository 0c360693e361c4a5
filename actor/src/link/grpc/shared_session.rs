use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{Encoding, Report};
use troop_common::shard_ranges::shard_ranges;
use troop_common::weights::Weights;

use super::computed_on::ComputedOn;
use super::gradient_pool::{EncodedGradient, GradientPool};
use super::mailbox::{CameOver, Mailbox};
use super::outgoing::{Outgoing, OutgoingGradient, OutgoingSlice};
use super::sum::Sum;
use super::whole_weights::WholeWeights;
use crate::link::closed::LinkClosed;
use crate::link::contribution::Contribution;

/// What the links of one session have in common; the session ends with the last of them.
pub(super) struct SharedSession {
    mailbox: HeldMailbox,
    pool: GradientPool,
    encoding: Encoding,
    /// Learners that hold the parameters.
    shards: usize,
    /// The part of the flat vector that each of them holds, once the session is open.
    ranges: OnceLock<Vec<Range<usize>>>,
    whole: Mutex<WholeWeights>,
    /// Workers that share the session.
    workers: AtomicU64,
    /// What waits for the others' gradients.
    sum: tokio::sync::Mutex<Sum>,
}

impl SharedSession {
    /// That of one worker, which has joined.
    pub(super) fn new(mailbox: HeldMailbox, experiment: &Experiment) -> Self {
        Self {
            mailbox,
            pool: GradientPool::default(),
            encoding: experiment.wire.gradients.into(),
            shards: experiment.learner.shards,
            ranges: OnceLock::new(),
            whole: Mutex::default(),
            workers: AtomicU64::new(1),
            sum: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Another worker shares the session from now on.
    pub(super) fn add_worker(&self) {
        self.workers.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker leaves; whether it was the last.
    pub(super) fn remove_worker(&self) -> bool {
        self.workers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    pub(super) async fn open(&self, layout: &Layout) -> Result<(), LinkClosed> {
        let ranges = shard_ranges(layout.len(), self.shards);
        let ranges = ranges.map_err(|error| LinkClosed::Failed(error.to_string()))?;
        self.ranges.get_or_init(|| ranges);
        self.mailbox.open(layout).await
    }

    /// Waits for weights to compute on, and tells which they are.
    pub(super) async fn weights(&self) -> Result<(Arc<Weights>, ComputedOn), LinkClosed> {
        let came = self.mailbox.wait_weights().await?;
        Ok(self.take(came))
    }

    /// The weights that the run ended with; none before they have come.
    pub(super) fn last_weights(&self) -> Result<Option<(Arc<Weights>, ComputedOn)>, LinkClosed> {
        let came = self.mailbox.last_weights()?;
        Ok(came.map(|came| self.take(came)))
    }

    /// Those of each shard, and the connection that they came over.
    fn take(&self, (parts, connection): CameOver) -> (Arc<Weights>, ComputedOn) {
        let versions = parts.iter().map(|part| part.version).collect();
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let weights = whole.of(parts);
        let computed_on = ComputedOn {
            connection,
            versions,
            env_steps: weights.env_steps,
        };
        (weights, computed_on)
    }

    /// Sends a contribution, once it is summed with one of each other worker.
    pub(super) async fn push(
        &self,
        contribution: &mut Contribution,
        computed_on: &ComputedOn,
    ) -> Result<(), LinkClosed> {
        let mut sum = self.sum.lock().await;
        if !self.mailbox.wait_room(computed_on.connection).await? {
            tracing::debug!(
                version = contribution.version,
                "gradient dropped: its connection is lost"
            );
            return Ok(());
        }
        let workers = self.workers.load(Ordering::Relaxed);
        if workers > 1 && !Sum::can_have(contribution) {
            // The learner refuses it alone, and says so.
            let mut alone = Sum::default();
            alone.add(contribution, computed_on);
            self.send(&mut alone);
            return Ok(());
        }
        if !sum.has_room_for(&contribution.report, computed_on) {
            self.send(&mut sum);
        }
        sum.add(contribution, computed_on);
        if sum.gradients >= workers {
            self.send(&mut sum);
        }
        Ok(())
    }

    /// Sends what waits for others, which do not come any more.
    pub(super) async fn flush(&self) {
        let mut sum = self.sum.lock().await;
        let connection = sum.computed_on.connection;
        if sum.gradients > 0 && self.mailbox.wait_room(connection).await == Ok(true) {
            self.send(&mut sum);
        }
    }

    /// Sends a sum and leaves an empty one; it is dropped if its connection is lost.
    fn send(&self, sum: &mut Sum) {
        let outgoing = self.outgoing(sum);
        self.mailbox.send(sum.computed_on.connection, outgoing);
        sum.gradients = 0;
    }

    /// What each learner is sent: its part of the gradient. The lead counts what happened; the others are told of steps, for
    /// their schedules.
    fn outgoing(&self, sum: &mut Sum) -> Vec<Outgoing> {
        let Sum {
            gradients,
            contribution,
            computed_on,
        } = sum;
        let mut ranges = self.ranges.get().cloned().unwrap_or_default();
        if let [whole] = &mut ranges[..] {
            // Of any length: the learner says what is wrong with it.
            *whole = 0..contribution.gradient.len();
        }
        let report = std::mem::take(&mut contribution.report);
        let encoded = self.pool.encoded(&mut contribution.gradient, self.encoding);
        let norm = (ranges.len() > 1).then(|| Arc::new(encoded.norm()));
        let slice = |range: &Range<usize>| {
            let norm = norm.clone()?;
            Some(OutgoingSlice {
                norm,
                first_element: range.start,
                env_steps: computed_on.env_steps,
            })
        };
        let steps = Report {
            env_steps: report.env_steps,
            frames: report.frames,
            ..Report::default()
        };
        let reports = std::iter::once(report).chain(std::iter::repeat(steps));
        let others = computed_on.versions.iter().skip(1).copied();
        let versions = std::iter::once(contribution.version).chain(others);
        let parts = ranges.into_iter().zip(versions).zip(reports);
        let part = |((range, version), report): ((Range<usize>, u64), Report)| {
            Outgoing::Gradient(OutgoingGradient {
                epoch: contribution.epoch,
                version,
                slice: slice(&range),
                report,
                gradients: *gradients,
                ..self.slice_of(&encoded, range)
            })
        };
        parts.map(part).collect()
    }

    fn slice_of(&self, encoded: &EncodedGradient, range: Range<usize>) -> OutgoingGradient {
        OutgoingGradient {
            elements: range.len() as u64,
            encoding: self.encoding,
            chunks: encoded.chunks(range),
            epoch: 0,
            version: 0,
            slice: None,
            report: Report::default(),
            gradients: 1,
        }
    }
}

/// Where workers and the session's task meet, for as long as there are workers: without them the task ends.
#[derive(Default)]
pub(super) struct HeldMailbox(Arc<Mailbox>);

impl Deref for HeldMailbox {
    type Target = Arc<Mailbox>;

    fn deref(&self) -> &Arc<Mailbox> {
        &self.0
    }
}

impl Drop for HeldMailbox {
    fn drop(&mut self) {
        self.0.leave();
    }
}
