//! How a worker reaches the learner.

mod grpc;
mod rejections;

use std::sync::Arc;

use troop_common::layout::Layout;
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;

pub use grpc::{
    AsyncLink, ClientIdentity, Connecting, Connector, EndpointSettings, GrpcLink, Interrupt, Io,
    JoinInfo, TlsSettings,
};
pub use rejections::Rejections;

/// A gradient and what happened while its segment was acted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// The learner's life that the weights came from.
    pub epoch: u64,
    /// Version of the weights that the gradient was computed on.
    pub version: u64,
    /// `dL/dθ` in the layout's order.
    pub gradient: Vec<f32>,
    /// Env steps, episodes and losses since the last contribution.
    pub report: Report,
}

/// Why a link has nothing more to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkClosed {
    /// The run is over: the worker stops, all is well.
    #[error("the run is over: {0}")]
    Finished(String),
    /// The learner cannot be reached or refuses this worker for good.
    #[error("{0}")]
    Failed(String),
}

/// All that a worker knows of the learner. Calls block the worker's thread.
pub trait Link: Send {
    /// Says what the worker's parameters look like; called once, before anything else.
    ///
    /// # Errors
    /// Where the learner's are different, or there is no learner.
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed>;

    /// The newest weights that have reached this side; waits for the first ones, and while the
    /// learner is away.
    ///
    /// # Errors
    /// Where the run is over or the learner stays away too long.
    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed>;

    /// Sends a contribution; waits while too many are unanswered. What became of it reaches the
    /// metrics, not the worker. The buffer may be taken and another left in its place.
    ///
    /// # Errors
    /// Where the run is over or the learner stays away too long.
    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed>;
}
