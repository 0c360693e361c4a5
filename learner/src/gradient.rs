//! One gradient as it reaches the parameter server.

use tokio::time::Instant;

use crate::buffer_pool::GradientBuffer;

/// A gradient and what it was computed on.
#[derive(Debug)]
pub struct Gradient {
    /// Counts up from 1 within a session.
    pub sequence: u64,
    /// The learner's life that its weights came from.
    pub epoch: u64,
    /// Version of the weights that it was computed on.
    pub version: u64,
    /// `dL/dθ` in the layout's order.
    pub values: GradientBuffer,
    /// When the last of it had come.
    pub arrived: Instant,
}
