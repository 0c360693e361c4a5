use troop_common::proto::v1::{Encoding, Report, Slice};

use super::gradient_pool::Chunks;

/// What is on its way to the learner.
#[derive(Debug)]
pub(super) enum Outgoing {
    Gradient(OutgoingGradient),
    /// What happened, of a worker that sends no gradients, in a life of the learner.
    Report {
        epoch: u64,
        report: Report,
    },
}

/// A gradient on its way to the learner.
#[derive(Debug)]
pub(super) struct OutgoingGradient {
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) elements: u64,
    pub(super) encoding: Encoding,
    pub(super) chunks: Chunks,
    pub(super) report: Report,
    /// What a shard must know of the whole gradient, if this is a slice.
    pub(super) slice: Option<Slice>,
    /// How many it is the sum of.
    pub(super) gradients: u64,
}
