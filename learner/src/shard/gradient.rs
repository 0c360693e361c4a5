//! One gradient as it reaches the parameter server.

use std::fmt;

use tokio::time::Instant;
use troop_common::wire::Elements;

use crate::shard::budget::Room;
use troop_common::norm::NormSum;

/// Which gradient it is, and what it was computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Counts up from 1 within a session.
    pub sequence: u64,
    /// The learner's life that its weights came from.
    pub epoch: u64,
    /// Version of the weights that it was computed on.
    pub version: u64,
}

/// A gradient that has come whole.
#[derive(Debug)]
pub struct Gradient {
    pub(crate) origin: Origin,
    /// `dL/dθ` in the layout's order, of one worker or summed over some.
    pub(crate) values: Elements,
    /// Gradients that it is the sum of.
    pub(crate) gradients: u64,
    /// Global norm; not finite exactly if one of the values is not.
    pub(crate) norm: f64,
    /// Env steps that the lead had counted with its weights; 0 if this is the lead.
    pub(crate) lead_env_steps: u64,
    /// When the last of it had come.
    pub(crate) arrived: Instant,
    /// What it takes up, until its values are dropped.
    _room: Room,
}

impl Gradient {
    /// A gradient of which only the values are known; `dL/dθ` in the layout's order.
    pub fn new(origin: Origin, values: Elements, room: Room) -> Self {
        let mut norm = NormSum::default();
        values
            .runs(0..values.len())
            .for_each(|(_, run)| norm.add(run));
        Self::measured(origin, values, norm.norm(), room)
    }

    /// A gradient whose norm was taken while it came.
    pub(crate) fn measured(origin: Origin, values: Elements, norm: f64, room: Room) -> Self {
        Self {
            origin,
            values,
            gradients: 1,
            norm,
            lead_env_steps: 0,
            arrived: Instant::now(),
            _room: room,
        }
    }

    /// What makes a mean of the sum.
    pub(crate) fn share(&self) -> f64 {
        1.0 / self.gradients as f64
    }

    /// Global norm of the mean.
    pub(crate) fn mean_norm(&self) -> f64 {
        self.norm * self.share()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequence,
            epoch,
            version,
        } = self;
        write!(f, "gradient {sequence} (epoch {epoch}, version {version})")
    }
}
