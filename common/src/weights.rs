//! Published weights, as both implementations of a link hand them to a worker.

use std::sync::Arc;

use crate::moments::Moments;

/// The target network's parameters, for methods that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Version at which `θ⁻ ← θ` last happened.
    pub taken_at_version: u64,
    /// The flat vector, in the layout's order.
    pub parameters: Arc<Vec<f32>>,
}

/// One publish: a consistent label on a copy of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The learner's life within the run.
    pub epoch: u64,
    /// Updates applied when it was taken.
    pub version: u64,
    /// Env steps counted when it was taken.
    pub env_steps: u64,
    /// The flat vector, in the layout's order.
    pub parameters: Arc<Vec<f32>>,
    /// The target network, if the method has one.
    pub target: Option<Target>,
    /// Moments of all workers' observations, if the experiment normalises them.
    pub observations: Option<Arc<Moments>>,
}
