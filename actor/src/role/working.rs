use std::convert::Infallible;

use super::stop::Stop;
use super::worker_error::WorkerError;
use crate::metrics::ActorMetrics;
use crate::nn;

/// Runs what a worker does until the run is over.
pub(super) fn working(
    metrics: &ActorMetrics,
    work: impl FnOnce() -> Result<Infallible, Stop>,
) -> Result<(), WorkerError> {
    nn::use_one_thread();
    metrics.workers.inc();
    let ended = work();
    metrics.workers.dec();
    match ended {
        Ok(never) => match never {},
        Err(stop) => stop.into_result(),
    }
}
