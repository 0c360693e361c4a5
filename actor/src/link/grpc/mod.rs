//! The learner over gRPC.
//!
//! A task on a shared runtime owns the connection: it joins, opens the session's stream, hands
//! weights to the worker, and after a loss starts over. The worker's thread meets it in a
//! [`mailbox`] and never touches the network itself.

mod backoff;
mod client;
mod endpoint;
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

pub use endpoint::EndpointSettings;
pub use interrupt::Interrupt;
pub use tls::{ClientIdentity, TlsSettings};

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::Encoding;
use troop_common::weights::Weights;
use troop_common::wire;

use super::{Contribution, Link, LinkClosed};
use mailbox::{Mailbox, Outgoing};
use supervisor::Supervisor;

/// A link that is dropped waits this long for its last gradients to be answered.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// What a worker learns when it joins for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinInfo {
    /// Its session.
    pub session: u64,
    /// The learner's life within the run.
    pub epoch: u64,
    /// Smallest index that no other live session holds.
    pub worker_index: u32,
}

/// One worker's link to a learner over gRPC. It reconnects by itself; what was sent and not
/// answered when a connection was lost is never sent again, for the learner may have applied it.
///
/// Dropping it lets what was sent be answered, for a short while.
pub struct GrpcLink {
    mailbox: Arc<Mailbox>,
    encoding: Encoding,
    /// The connection that the last weights came over: what is computed on them belongs to it.
    weights_from: u64,
}

impl GrpcLink {
    /// Joins the learner, waiting for it as long as the settings allow. A task on `runtime` does
    /// the work; the calling thread, which must not be one of the runtime's, blocks.
    ///
    /// # Errors
    /// Where the run is over, the learner refuses this worker, or it stays away too long.
    pub fn join(
        runtime: &Handle,
        settings: EndpointSettings,
    ) -> Result<(Self, Experiment, JoinInfo), LinkClosed> {
        let mailbox = Arc::new(Mailbox::default());
        settings.interrupt.watch(&mailbox);
        let supervisor = Supervisor::new(settings, Arc::clone(&mailbox));
        runtime.spawn(supervisor.run());
        let joined = mailbox.wait_joined();
        if joined.is_err() {
            mailbox.leave(Duration::ZERO);
        }
        let (experiment, info) = joined?;
        let link = Self {
            mailbox,
            encoding: experiment.wire.gradients.into(),
            weights_from: 0,
        };
        Ok((link, *experiment, info))
    }
}

impl Link for GrpcLink {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.mailbox.open(layout)
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let (weights, connection) = self.mailbox.wait_weights()?;
        self.weights_from = connection;
        Ok(weights)
    }

    /// What was computed on weights of a connection that is lost is dropped: after a loss the
    /// learner may be in another life, or another run altogether.
    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        if !self.mailbox.wait_room(self.weights_from)? {
            tracing::debug!(
                version = contribution.version,
                "gradient dropped: its connection is lost"
            );
            return Ok(());
        }
        let outgoing = Outgoing {
            epoch: contribution.epoch,
            version: contribution.version,
            elements: contribution.gradient.len() as u64,
            encoding: self.encoding,
            chunks: wire::encode(&contribution.gradient, self.encoding).into(),
            report: std::mem::take(&mut contribution.report),
        };
        self.mailbox.send(self.weights_from, outgoing);
        Ok(())
    }
}

impl Drop for GrpcLink {
    fn drop(&mut self) {
        self.mailbox.leave(LEAVE_LIMIT);
    }
}
