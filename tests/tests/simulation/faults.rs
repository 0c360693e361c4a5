use std::ops::Range;
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
    /// The worker is gone; whether its system says so to the learner.
    WorkerCrash(usize, bool),
    /// The learner is gone, whether or not its system says so to the workers; it comes back from
    /// its last checkpoint.
    LearnerCrash(bool),
    /// Each message breaks its connection with this probability.
    Loss(f64),
}

/// Faults that are over by [`HEALED`].
pub(crate) fn plan(rng: &mut ChaCha8Rng, workers: usize) -> Vec<Fault> {
    (0..rng.random_range(0..8))
        .map(|_| {
            let worker = rng.random_range(0..workers);
            let goodbye = rng.random_bool(0.5);
            let kind = match rng.random_range(0..6) {
                0 => FaultKind::Partition(worker),
                1 => FaultKind::Hold(worker),
                2 => FaultKind::WorkerCrash(worker, goodbye),
                3 | 4 => FaultKind::LearnerCrash(goodbye),
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

/// Makes faults happen.
pub(crate) struct Chaos {
    faults: Vec<Fault>,
    workers: usize,
    /// Of messages, from the shortest to the longest.
    latency: (Duration, Duration),
    loss: f64,
}

impl Chaos {
    pub(crate) fn new(faults: Vec<Fault>, workers: usize, latency: (Duration, Duration)) -> Self {
        Self {
            faults,
            workers,
            latency,
            loss: 0.0,
        }
    }

    /// Ends and begins the faults whose time has come.
    pub(crate) fn at(&mut self, now: Duration, sim: &mut Sim<'_>) {
        for fault in self.faults.clone() {
            if fault.until == now {
                self.end(fault.kind, sim);
            }
            if fault.from == now {
                self.begin(fault.kind, sim);
            }
        }
    }

    /// Ends whatever is left of the faults.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>) {
        self.set_loss(0.0, sim);
        start_again(sim, LEARNER);
        for worker in 0..self.workers {
            sim.release(worker_name(worker), LEARNER);
            start_again(sim, &worker_name(worker));
        }
    }

    fn begin(&mut self, kind: FaultKind, sim: &mut Sim<'_>) {
        match kind {
            FaultKind::Partition(worker) => sim.partition(worker_name(worker), LEARNER),
            FaultKind::Hold(worker) => sim.hold(worker_name(worker), LEARNER),
            FaultKind::WorkerCrash(worker, goodbye) => self.crash_worker(worker, goodbye, sim),
            FaultKind::LearnerCrash(goodbye) => {
                self.crash(LEARNER, 0..self.workers, goodbye, sim);
            }
            FaultKind::Loss(rate) => self.set_loss(rate, sim),
        }
    }

    fn end(&mut self, kind: FaultKind, sim: &mut Sim<'_>) {
        match kind {
            FaultKind::Partition(worker) | FaultKind::Hold(worker) => {
                sim.release(worker_name(worker), LEARNER);
            }
            FaultKind::WorkerCrash(worker, _) => start_again(sim, &worker_name(worker)),
            FaultKind::LearnerCrash(_) => start_again(sim, LEARNER),
            FaultKind::Loss(_) => self.set_loss(0.0, sim),
        }
    }

    fn set_loss(&mut self, rate: f64, sim: &mut Sim<'_>) {
        self.loss = rate;
        sim.set_fail_rate(rate);
    }

    pub(crate) fn crash_worker(&self, worker: usize, goodbye: bool, sim: &mut Sim<'_>) {
        self.crash(&worker_name(worker), worker..worker + 1, goodbye, sim);
    }

    /// In which order a host's connections end with it is tokio's choice and not the seed's. So
    /// that nothing depends on it, their last messages are all lost or all take the same time.
    fn crash(&self, host: &str, workers: Range<usize>, goodbye: bool, sim: &mut Sim<'_>) {
        for worker in workers.clone().map(worker_name) {
            match goodbye {
                true => sim.release(worker, LEARNER),
                false => sim.partition(worker, LEARNER),
            }
        }
        sim.set_fail_rate(0.0);
        sim.set_max_message_latency(self.latency.0);
        sim.crash(host);
        sim.set_max_message_latency(self.latency.1);
        sim.set_fail_rate(self.loss);
        for worker in workers.map(worker_name) {
            sim.release(worker, LEARNER);
        }
    }
}

/// Two crashes may overlap; the first to end brings the host back.
fn start_again(sim: &mut Sim<'_>, host: &str) {
    if !sim.is_host_running(host) {
        sim.bounce(host);
    }
}
