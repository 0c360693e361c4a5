use std::mem;
use std::sync::Arc;

use tokio::runtime::Handle;
use troop_actor::link::{Contribution, Link, LinkClosed, Rejections, ReportLink};
use troop_common::layout::Layout;
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;
use troop_common::wire::{Buffers, Elements};
use troop_learner::{
    Gradient, Joined, OpenError, Origin, Outcome, ParameterServer, Phase, Verdict,
};

/// The link between a worker and a learner of the same process: calls the parameter server's core straight from the
/// worker's thread.
pub struct LocalLink {
    server: Arc<ParameterServer>,
    joined: Joined,
    sequence: u64,
    rejections: Rejections,
    /// Where the gradient's vector comes back to.
    vectors: Buffers<f32>,
    /// Where the worker's thread waits for the others, if it has to.
    runtime: Handle,
}

impl LocalLink {
    /// A link for the session that `joined` describes.
    pub fn new(server: Arc<ParameterServer>, joined: Joined, runtime: Handle) -> Self {
        Self {
            server,
            joined,
            sequence: 0,
            rejections: Rejections::default(),
            vectors: Buffers::default(),
            runtime,
        }
    }

    /// Lends the server the gradient's vector until it has its answer.
    async fn hand_over(&self, contribution: &mut Contribution) -> Result<Outcome, LinkClosed> {
        let session = self.joined.session;
        let room = self.server.room().await;
        let (expected, found) = (room.elements(), contribution.gradient.len());
        if found != expected {
            return Err(LinkClosed::Failed(format!(
                "the gradient has {found} elements; expected {expected}, the layout's"
            )));
        }
        let values = Elements::of(self.vectors.lend(mem::take(&mut contribution.gradient)));
        let origin = Origin {
            sequence: self.sequence,
            epoch: contribution.epoch,
            version: contribution.version,
        };
        let gradient = Gradient::new(origin, values, room);
        let pushed = self.server.push(session, gradient, &contribution.report);
        let outcome = pushed.await;
        contribution.gradient = self.vectors.take(expected);
        Ok(outcome)
    }

    /// The weights that the session's next gradient is computed on, once it is its turn; none if
    /// nothing is published.
    async fn newest(&self) -> Option<Arc<Weights>> {
        let turn = self.server.turn(self.joined.session).await;
        let mut published = self.server.published();
        let Some(turn) = turn else {
            return published.borrow().clone();
        };
        let is_due = |newest: &Option<Arc<Weights>>| {
            newest
                .as_ref()
                .is_none_or(|weights| weights.version >= turn)
        };
        // The sender lives as long as the server.
        published.wait_for(is_due).await.ok()?.clone()
    }

    /// What a worker makes of an answer.
    fn answered(&mut self, outcome: Outcome) -> Result<(), LinkClosed> {
        match outcome.verdict {
            Verdict::Closed => Err(LinkClosed::Finished(outcome.detail)),
            _ if outcome.ends_session => Err(LinkClosed::Failed(outcome.detail)),
            verdict => {
                self.rejections.note(verdict.into(), &outcome.detail);
                Ok(())
            }
        }
    }

    fn closed(&self) -> Option<LinkClosed> {
        match &*self.server.phase().borrow() {
            Phase::Running => None,
            Phase::Draining(reason) | Phase::Finished(reason) => {
                Some(LinkClosed::Finished(reason.clone()))
            }
        }
    }
}

impl Link for LocalLink {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        let opened = self.server.open(self.joined.session, layout.clone());
        opened.map_err(|error| match error {
            OpenError::Closed(reason) => LinkClosed::Finished(reason),
            error => LinkClosed::Failed(error.to_string()),
        })
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let newest = self.runtime.block_on(self.newest());
        match self.closed() {
            Some(closed) => Err(closed),
            None => newest.ok_or_else(|| {
                LinkClosed::Failed(
                    "the learner has published no weights; was the session opened?".into(),
                )
            }),
        }
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        self.sequence += 1;
        let outcome = self.runtime.block_on(self.hand_over(contribution))?;
        self.answered(outcome)
    }
}

impl ReportLink for LocalLink {
    fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        self.sequence += 1;
        let session = self.joined.session;
        let outcome = self.server.report(session, epoch, self.sequence, report);
        self.answered(outcome)
    }
}

impl Drop for LocalLink {
    fn drop(&mut self) {
        self.server.leave(self.joined.session);
    }
}
