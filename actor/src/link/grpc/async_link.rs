use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{Encoding, Report};
use troop_common::weights::Weights;

use super::endpoint::EndpointSettings;
use super::gradient_pool::GradientPool;
use super::join_info::JoinInfo;
use super::learner_news::LearnerNews;
use super::leave_limit::LEAVE_LIMIT;
use super::mailbox::{Mailbox, Outgoing, OutgoingGradient};
use super::supervisor::Supervisor;
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
        let mut link = Self {
            mailbox,
            pool: GradientPool::default(),
            encoding: Encoding::F32,
            weights_from: 0,
        };
        let (experiment, info) = link.mailbox.wait_joined().await?;
        link.encoding = experiment.wire.gradients.into();
        Ok((link, *experiment, info))
    }

    /// As [`Link::open`](crate::link::Link::open).
    ///
    /// # Errors
    /// As there.
    pub async fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.mailbox.open(layout).await
    }

    /// As [`Link::weights`](crate::link::Link::weights). Where answers need weights, it waits for
    /// an answer while too many gradients lack theirs.
    ///
    /// # Errors
    /// As there.
    pub async fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let (weights, connection) = self.mailbox.wait_weights().await?;
        self.weights_from = connection;
        Ok(weights)
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
        let outgoing = OutgoingGradient {
            epoch: contribution.epoch,
            version: contribution.version,
            elements: contribution.gradient.len() as u64,
            encoding: self.encoding,
            chunks: self.pool.chunks(&mut contribution.gradient, self.encoding),
            report: std::mem::take(&mut contribution.report),
        };
        let outgoing = Outgoing::Gradient(outgoing);
        self.mailbox.send(self.weights_from, outgoing);
        Ok(())
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
        self.mailbox.send(self.weights_from, outgoing);
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
