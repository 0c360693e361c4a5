use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use turmoil::Sim;

use crate::scenario::ms;
use crate::world::{LEARNER, worker_name};

/// When all faults are over.
pub(crate) const HEALED: Duration = Duration::from_millis(3_000);

/// Something that goes wrong for a while.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FaultKind {
    /// What this worker and the learner send each other is lost.
    Partition(usize),
    /// It is late.
    Hold(usize),
    /// The worker is gone.
    WorkerCrash(usize),
    /// The learner is gone; it comes back from its last checkpoint.
    LearnerCrash,
    /// Each message breaks its connection with this probability.
    Loss(f64),
}

/// Faults that are over by [`HEALED`].
pub(crate) fn plan(rng: &mut ChaCha8Rng, workers: usize) -> Vec<Fault> {
    (0..rng.random_range(0..8))
        .map(|_| {
            let worker = rng.random_range(0..workers);
            let kind = match rng.random_range(0..6) {
                0 => FaultKind::Partition(worker),
                1 => FaultKind::Hold(worker),
                2 => FaultKind::WorkerCrash(worker),
                3 | 4 => FaultKind::LearnerCrash,
                _ => FaultKind::Loss(rng.random_range(0.001..0.05)),
            };
            let from = ms(rng.random_range(0..2_500));
            let until = from + ms(rng.random_range(1..1_000));
            Fault {
                from,
                until: until.min(HEALED),
                kind,
            }
        })
        .collect()
}

impl FaultKind {
    pub(crate) fn begin(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition(worker) => sim.partition(worker_name(worker), LEARNER),
            Self::Hold(worker) => sim.hold(worker_name(worker), LEARNER),
            Self::WorkerCrash(worker) => sim.crash(worker_name(worker)),
            Self::LearnerCrash => sim.crash(LEARNER),
            Self::Loss(rate) => sim.set_fail_rate(rate),
        }
    }

    pub(crate) fn end(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition(worker) => sim.repair(worker_name(worker), LEARNER),
            Self::Hold(worker) => sim.release(worker_name(worker), LEARNER),
            Self::WorkerCrash(worker) => start_again(sim, &worker_name(worker)),
            Self::LearnerCrash => start_again(sim, LEARNER),
            Self::Loss(_) => sim.set_fail_rate(0.0),
        }
    }
}

/// Two crashes may overlap; the first to end brings the host back.
fn start_again(sim: &mut Sim<'_>, host: &str) {
    if !sim.is_host_running(host) {
        sim.bounce(host);
    }
}

/// Ends whatever is left of the faults.
pub(crate) fn heal(sim: &mut Sim<'_>, workers: usize) {
    sim.set_fail_rate(0.0);
    start_again(sim, LEARNER);
    for worker in 0..workers {
        let worker = worker_name(worker);
        sim.release(worker.as_str(), LEARNER);
        sim.repair(worker.as_str(), LEARNER);
        start_again(sim, &worker);
    }
}
