use std::sync::Arc;

use tokio::runtime::Handle;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;

use super::async_link::AsyncLink;
use super::endpoint::EndpointSettings;
use super::join_info::JoinInfo;
use super::learner_news::LearnerNews;
use crate::link::closed::LinkClosed;
use crate::link::contribution::Contribution;
use crate::link::reports::ReportLink;
use crate::link::to_learner::Link;

/// [`AsyncLink`] for a worker's thread, which blocks while it waits.
///
/// Dropping it lets what was sent be answered, for a short while.
pub struct GrpcLink {
    link: AsyncLink,
    runtime: Handle,
}

impl GrpcLink {
    /// Joins the learner, waiting for it as long as the settings allow. A task on `runtime`, which
    /// has threads of its own, does the work; the calling thread, which must not be one of them,
    /// blocks.
    ///
    /// # Errors
    /// If the run is over, the learner refuses this worker, or it stays away too long.
    pub fn join(
        runtime: &Handle,
        settings: EndpointSettings,
    ) -> Result<(Self, Experiment, JoinInfo), LinkClosed> {
        let (link, experiment, info) = runtime.block_on(AsyncLink::join(settings))?;
        let runtime = runtime.clone();
        Ok((Self { link, runtime }, experiment, info))
    }

    /// Another worker's link to the same session, see [`AsyncLink::beside`].
    pub fn beside(&self) -> Self {
        Self {
            link: self.link.beside(),
            runtime: self.runtime.clone(),
        }
    }

    /// What the link tells while the worker waits for something else.
    pub fn news(&self) -> LearnerNews {
        self.link.news()
    }
}

impl Link for GrpcLink {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.runtime.block_on(self.link.open(layout))
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        self.runtime.block_on(self.link.weights())
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        self.runtime.block_on(self.link.push(contribution))
    }
}

impl ReportLink for GrpcLink {
    fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        self.runtime.block_on(self.link.report(epoch, report))
    }

    fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        self.link.last_weights()
    }
}

impl Drop for GrpcLink {
    fn drop(&mut self) {
        self.runtime.block_on(self.link.leave());
    }
}
