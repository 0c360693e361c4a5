//! The learner over gRPC.
//!
//! A task on a shared runtime owns the connection: it joins, opens the session's stream, hands
//! weights to the worker, and after a loss starts over. The worker meets it in a [`mailbox`] and
//! never touches the network itself: as a task through [`AsyncLink`], as a thread through
//! [`GrpcLink`].

mod async_link;
mod backoff;
mod client;
mod connector;
mod endpoint;
mod gradient_pool;
mod incoming;
mod interrupt;
mod mailbox;
mod mismatch;
mod outage;
mod probe;
mod requests;
mod session;
mod supervisor;
mod tls;
mod window;

pub use async_link::AsyncLink;
pub use connector::{Connecting, Connector, Io};
pub use endpoint::EndpointSettings;
pub use interrupt::Interrupt;
pub use tls::{ClientIdentity, TlsSettings};

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::weights::Weights;

use super::{Contribution, Link, LinkClosed};

/// A link that is dropped waits this long for its last gradients to be answered.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// What a worker learns when it joins for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinInfo {
    /// Its session.
    pub session: u64,
    /// The learner's life within the run.
    pub epoch: u64,
    /// Smallest index that no other live session holds.
    pub worker_index: u32,
    /// What the run is called.
    pub run: String,
}

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
    /// Where the run is over, the learner refuses this worker, or it stays away too long.
    pub fn join(
        runtime: &Handle,
        settings: EndpointSettings,
    ) -> Result<(Self, Experiment, JoinInfo), LinkClosed> {
        let (link, experiment, info) = runtime.block_on(AsyncLink::join(settings))?;
        let runtime = runtime.clone();
        Ok((Self { link, runtime }, experiment, info))
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

impl Drop for GrpcLink {
    fn drop(&mut self) {
        self.runtime.block_on(self.link.leave());
    }
}
