use serde::Serialize;

use crate::ingest::Encoding;

/// What workers ask of the learners of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Demand {
    pub(super) parameters: usize,
    /// Of gradients and weights.
    pub(super) encoding: Encoding,
    /// Workers, or groups of them whose gradients are summed.
    pub(super) workers: usize,
    pub(super) gradients_per_second_each: f64,
    /// Who gets weights.
    pub(super) subscribers: usize,
    /// That each of them gets.
    pub(super) publishes_per_second: f64,
}

impl Demand {
    /// Of a gradient, and of weights.
    pub(super) fn vector_bytes(&self) -> f64 {
        (self.parameters * self.encoding.bytes()) as f64
    }

    /// Of all workers.
    pub(super) fn gradients_per_second(&self) -> f64 {
        self.workers as f64 * self.gradients_per_second_each
    }

    /// Of gradients, into all learners.
    pub(super) fn gigabytes_in_per_second(&self) -> f64 {
        self.gradients_per_second() * self.vector_bytes() / 1e9
    }

    /// Of weights, out of all learners.
    pub(super) fn gigabytes_out_per_second(&self) -> f64 {
        self.subscribers as f64 * self.publishes_per_second * self.vector_bytes() / 1e9
    }
}

/// What one learner carries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Learner {
    /// Of gradients that it takes and applies.
    pub(super) gigabytes_per_second: f64,
    pub(super) cpu_seconds_per_gigabyte: f64,
    /// Of weights.
    pub(super) weights_cpu_seconds_per_gigabyte: f64,
    /// Of its network card, in each direction.
    pub(super) network_gigabits: f64,
    /// Which share of the time a part may be busy.
    pub(super) busy_share: f64,
}
