use std::sync::Arc;
use std::time::Duration;

use troop_common::moments::Moments;

/// What goes with a publish, read before its copy begins: the copy may hold newer updates, never fewer.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// When it was taken, since this life of the learner began.
    pub(crate) at: Duration,
    /// Updates applied so far.
    pub(crate) version: u64,
    /// Env steps counted so far.
    pub(crate) env_steps: u64,
    /// Frames counted so far.
    pub(crate) frames: u64,
    /// Sessions that make updates.
    pub(crate) sessions: u64,
    /// Moments of the observations reported so far, if they are normalised.
    pub(crate) observations: Option<Arc<Moments>>,
}
