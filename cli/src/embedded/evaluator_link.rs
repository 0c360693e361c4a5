use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use troop_actor::link::{Contribution, Link, LinkClosed, ReportLink};
use troop_common::layout::Layout;
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;
use troop_learner::{ParameterServer, Phase};

use super::local_link::LocalLink;

/// The link of the worker that evaluates: it has the weights that the run ended with, and can be told that nobody
/// waits for it.
pub(super) struct EvaluatorLink {
    link: LocalLink,
    server: Arc<ParameterServer>,
    given_up: Arc<AtomicBool>,
    last: Option<Arc<Weights>>,
}

impl EvaluatorLink {
    /// Around the link of its session; `given_up` says that nobody waits for it.
    pub(super) fn new(
        link: LocalLink,
        server: Arc<ParameterServer>,
        given_up: Arc<AtomicBool>,
    ) -> Self {
        Self {
            link,
            server,
            given_up,
            last: None,
        }
    }

    fn refuse_if_given_up(&self) -> Result<(), LinkClosed> {
        match self.given_up.load(Ordering::Relaxed) {
            true => Err(LinkClosed::Finished("nobody waits for it".into())),
            false => Ok(()),
        }
    }
}

impl Link for EvaluatorLink {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.link.open(layout)
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        self.refuse_if_given_up()?;
        self.link.weights()
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        self.link.push(contribution)
    }
}

impl ReportLink for EvaluatorLink {
    fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        self.link.report(epoch, report)
    }

    fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        self.refuse_if_given_up()?;
        if let Phase::Draining(reason) = &*self.server.phase().borrow() {
            return Err(LinkClosed::Finished(reason.clone()));
        }
        if self.last.is_none() {
            self.last = self.server.last_weights().map(Arc::new);
        }
        Ok(self.last.clone())
    }
}
