use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;

use super::computed_on::ComputedOn;
use super::endpoint::EndpointSettings;
use super::join_info::JoinInfo;
use super::learner_news::LearnerNews;
use super::leave_limit::LEAVE_LIMIT;
use super::outgoing::Outgoing;
use super::shared_session::{HeldMailbox, SharedSession};
use super::supervisor::Supervisor;
use crate::link::closed::LinkClosed;
use crate::link::contribution::Contribution;

/// One worker's link to a learner over gRPC, for callers that are tasks themselves. It reconnects
/// by itself; what was sent and not answered when a connection was lost is never sent again, for
/// the learner may have applied it.
///
/// Several workers may share a session ([`beside`](Self::beside)): then a gradient of each is summed before it is sent.
///
/// A push whose future is dropped before it is done has sent nothing. Dropping a session's last link ends it once what
/// was sent is answered; [`leave`](Self::leave) waits for that.
pub struct AsyncLink {
    session: Arc<SharedSession>,
    /// The last weights, which the next gradient is computed on.
    computed_on: ComputedOn,
    left: bool,
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
        let mailbox = HeldMailbox::default();
        settings.interrupt.watch(&mailbox);
        tokio::spawn(Supervisor::new(settings, Arc::clone(&mailbox)).run());
        let (experiment, info) = mailbox.wait_joined().await?;
        let session = SharedSession::new(mailbox, &experiment);
        let link = Self::of(Arc::new(session));
        Ok((link, *experiment, info))
    }

    /// Another worker's link to the same session. From now on each gradient that is sent is the sum of as many as
    /// there are workers; what they report goes with it. Whoever is faster has more than one in it.
    pub fn beside(&self) -> Self {
        self.session.add_worker();
        Self::of(Arc::clone(&self.session))
    }

    fn of(session: Arc<SharedSession>) -> Self {
        Self {
            session,
            computed_on: ComputedOn::default(),
            left: false,
        }
    }

    /// As [`Link::open`](crate::link::Link::open).
    ///
    /// # Errors
    /// As there.
    pub async fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.session.open(layout).await
    }

    /// As [`Link::weights`](crate::link::Link::weights). Where answers need weights, it waits for
    /// an answer while too many gradients lack theirs.
    ///
    /// # Errors
    /// As there.
    pub async fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let (weights, computed_on) = self.session.weights().await?;
        self.computed_on = computed_on;
        Ok(weights)
    }

    /// As [`ReportLink::last_weights`](crate::link::ReportLink::last_weights).
    ///
    /// # Errors
    /// As there.
    pub fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        let came = self.session.last_weights()?;
        Ok(came.map(|(weights, computed_on)| {
            self.computed_on = computed_on;
            weights
        }))
    }

    /// As [`Link::push`](crate::link::Link::push). What was computed on weights of a connection
    /// that is lost is dropped: after a loss the learner may be in another life, or another run
    /// altogether.
    ///
    /// # Errors
    /// As there.
    pub async fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        self.session.push(contribution, &self.computed_on).await
    }

    /// As [`ReportLink::report`](crate::link::ReportLink::report). What happened with weights of a connection
    /// that is lost is dropped, as gradients are: it is counted once or not at all.
    ///
    /// # Errors
    /// As there.
    pub async fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        let (mailbox, connection) = (self.session.mailbox(), self.computed_on.connection);
        if !mailbox.wait_room(connection).await? {
            let env_steps = report.env_steps;
            tracing::debug!(env_steps, "report dropped: its connection is lost");
            return Ok(());
        }
        let report = report.clone();
        mailbox.send(connection, [Outgoing::Report { epoch, report }]);
        Ok(())
    }

    /// What the link tells meanwhile.
    pub fn news(&self) -> LearnerNews {
        LearnerNews::of(self.session.mailbox())
    }

    /// Leaves the session. What other workers' gradients were waited for goes without them. The last worker ends the session
    /// once what was sent is answered, and waits for that, but not for long.
    pub async fn leave(&mut self) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let last = self.session.remove_worker();
        let session = &self.session;
        let leave = async {
            session.flush().await;
            if last {
                session.mailbox().leave();
                session.mailbox().wait_ended().await;
            }
        };
        // Who takes longer than that is left behind.
        let _ = tokio::time::timeout(LEAVE_LIMIT, leave).await;
    }
}

impl Drop for AsyncLink {
    fn drop(&mut self) {
        if !self.left {
            self.session.remove_worker();
        }
    }
}
