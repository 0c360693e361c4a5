//! The parameters of a run and what goes with them, known once the first session has opened or a
//! checkpoint was loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use troop_common::layout::Layout;

use crate::parameter_server::pace::Pace;
use crate::shard::budget::Budget;
use crate::shard::parameters::StripedParameters;
use crate::shard::publisher::Publisher;

pub(crate) struct Model {
    pub(crate) layout: Layout,
    pub(crate) fingerprint: String,
    pub(crate) parameters: StripedParameters,
    pub(crate) publisher: Publisher,
    pub(crate) budget: Arc<Budget>,
    pub(crate) pace: Pace,
    /// Updates applied.
    pub(crate) version: AtomicU64,
    /// Steps begun: each has a number of its own, however many are applied at once.
    pub(crate) steps: AtomicU64,
}

impl Model {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Elements of the parameter vector.
    pub(crate) fn elements(&self) -> usize {
        self.parameters.len()
    }
}
