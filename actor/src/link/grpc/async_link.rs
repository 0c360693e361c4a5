use std::ops::Range;
use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{Encoding, Report, Slice};
use troop_common::shard_ranges::shard_ranges;
use troop_common::weights::Weights;

use super::endpoint::EndpointSettings;
use super::gradient_pool::GradientPool;
use super::join_info::JoinInfo;
use super::learner_news::LearnerNews;
use super::leave_limit::LEAVE_LIMIT;
use super::mailbox::Mailbox;
use super::outgoing::{Outgoing, OutgoingGradient};
use super::supervisor::Supervisor;
use super::whole_weights::WholeWeights;
use crate::link::closed::LinkClosed;
use crate::link::contribution::Contribution;

/// One worker's link to a learner over gRPC, for callers that are tasks themselves. It reconnects
/// by itself; what was sent and not answered when a connection was lost is never sent again, for
/// the learner may have applied it.
///
/// A push whose future is dropped before it is done has sent nothing. Dropping the link ends its session once what
/// was sent is answered; [`leave`](Self::leave) waits for that.
pub struct AsyncLink {
    mailbox: Arc<Mailbox>,
    pool: GradientPool,
    encoding: Encoding,
    /// Learners that hold the parameters.
    shards: usize,
    /// The part of the flat vector that each of them holds.
    ranges: Vec<Range<usize>>,
    whole: WholeWeights,
    /// Versions of the last weights, of each shard's part.
    versions: Vec<u64>,
    /// Env steps that the lead had counted with them.
    env_steps: u64,
    /// The connection that the last weights came over: what is computed on them belongs to it.
    weights_from: u64,
}

impl AsyncLink {
    /// Joins the learner, waiting for it as long as the settings allow. A task of its own, on the
    /// runtime that this is called on, does the work.
    ///
    /// # Errors
    /// If the run is over, the learner refuses this worker, or it stays away too long.
    pub async fn join(
        settings: EndpointSettings,
    ) -> Result<(Self, Experiment, JoinInfo), LinkClosed> {
        let mailbox = Arc::new(Mailbox::default());
        settings.interrupt.watch(&mailbox);
        tokio::spawn(Supervisor::new(settings, Arc::clone(&mailbox)).run());
        // From here on the task ends with the link, whatever becomes of this call.
        let mut link = Self::around(mailbox);
        let (experiment, info) = link.mailbox.wait_joined().await?;
        link.encoding = experiment.wire.gradients.into();
        link.shards = experiment.learner.shards;
        Ok((link, *experiment, info))
    }

    /// A link that has not joined yet.
    fn around(mailbox: Arc<Mailbox>) -> Self {
        Self {
            mailbox,
            pool: GradientPool::default(),
            encoding: Encoding::F32,
            shards: 1,
            ranges: Vec::new(),
            whole: WholeWeights::default(),
            versions: Vec::new(),
            env_steps: 0,
            weights_from: 0,
        }
    }

    /// As [`Link::open`](crate::link::Link::open).
    ///
    /// # Errors
    /// As there.
    pub async fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        let ranges = shard_ranges(layout.len(), self.shards);
        self.ranges = ranges.map_err(|error| LinkClosed::Failed(error.to_string()))?;
        self.mailbox.open(layout).await
    }

    /// As [`Link::weights`](crate::link::Link::weights). Where answers need weights, it waits for
    /// an answer while too many gradients lack theirs.
    ///
    /// # Errors
    /// As there.
    pub async fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let came = self.mailbox.wait_weights().await?;
        Ok(self.take(came))
    }

    /// As [`ReportLink::last_weights`](crate::link::ReportLink::last_weights).
    ///
    /// # Errors
    /// As there.
    pub fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        let came = self.mailbox.last_weights()?;
        Ok(came.map(|came| self.take(came)))
    }

    /// Those of each shard, and the connection that they came over.
    fn take(&mut self, (parts, connection): (Vec<Arc<Weights>>, u64)) -> Arc<Weights> {
        self.weights_from = connection;
        self.versions = parts.iter().map(|part| part.version).collect();
        let weights = self.whole.of(parts);
        self.env_steps = weights.env_steps;
        weights
    }

    /// As [`Link::push`](crate::link::Link::push). What was computed on weights of a connection
    /// that is lost is dropped: after a loss the learner may be in another life, or another run
    /// altogether.
    ///
    /// # Errors
    /// As there.
    pub async fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        if !self.mailbox.wait_room(self.weights_from).await? {
            tracing::debug!(
                version = contribution.version,
                "gradient dropped: its connection is lost"
            );
            return Ok(());
        }
        let outgoing = self.outgoing(contribution);
        self.mailbox.send(self.weights_from, outgoing);
        Ok(())
    }

    /// What each learner is sent of a contribution: its part of the gradient. The lead counts what happened; the others are
    /// told of steps, for their schedules.
    fn outgoing(&self, contribution: &mut Contribution) -> Vec<Outgoing> {
        let mut ranges = self.ranges.clone();
        if let [whole] = &mut ranges[..] {
            // Of any length: the learner says what is wrong with it.
            *whole = 0..contribution.gradient.len();
        }
        let report = std::mem::take(&mut contribution.report);
        let encoded = self.pool.encoded(&mut contribution.gradient, self.encoding);
        let slice = (ranges.len() > 1).then(|| Slice {
            norm: encoded.norm(),
            env_steps: self.env_steps,
        });
        let steps = Report {
            env_steps: report.env_steps,
            frames: report.frames,
            ..Report::default()
        };
        let mut reports = std::iter::once(report).chain(std::iter::repeat(steps));
        let mut versions =
            std::iter::once(contribution.version).chain(self.versions.iter().skip(1).copied());
        let part = |range: Range<usize>| {
            Outgoing::Gradient(OutgoingGradient {
                epoch: contribution.epoch,
                version: versions.next().unwrap_or_default(),
                elements: range.len() as u64,
                encoding: self.encoding,
                chunks: encoded.chunks(range),
                report: reports.next().unwrap_or_default(),
                slice,
            })
        };
        ranges.into_iter().map(part).collect()
    }

    /// As [`ReportLink::report`](crate::link::ReportLink::report). What happened with weights of a connection
    /// that is lost is dropped, as gradients are: it is counted once or not at all.
    ///
    /// # Errors
    /// As there.
    pub async fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        if !self.mailbox.wait_room(self.weights_from).await? {
            let env_steps = report.env_steps;
            tracing::debug!(env_steps, "report dropped: its connection is lost");
            return Ok(());
        }
        let report = report.clone();
        let outgoing = Outgoing::Report { epoch, report };
        self.mailbox.send(self.weights_from, [outgoing]);
        Ok(())
    }

    /// What the link tells meanwhile.
    pub fn news(&self) -> LearnerNews {
        LearnerNews::of(&self.mailbox)
    }

    /// Ends the session once what was sent is answered; waits for that, but not for long.
    pub async fn leave(&mut self) {
        self.mailbox.leave();
        // Who takes longer than that is left behind.
        let _ = tokio::time::timeout(LEAVE_LIMIT, self.mailbox.wait_ended()).await;
    }
}

impl Drop for AsyncLink {
    fn drop(&mut self) {
        self.mailbox.leave();
    }
}
