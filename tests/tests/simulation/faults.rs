use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use turmoil::Sim;

use crate::scenario::{Scenario, ms};
use crate::world::{LEARNER, worker_name};

/// Probability that a link's latency changes in a tick.
const LATENCY_CHANGES: f64 = 0.05;

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
    /// The worker lives, but sends nothing.
    Silence(usize),
    /// Each link loses all that is on its way, with this probability in each tick.
    Loss(f64),
}

/// Faults that are over by [`HEALED`].
pub(crate) fn plan(rng: &mut ChaCha8Rng, workers: usize) -> Vec<Fault> {
    (0..rng.random_range(0..8))
        .map(|_| {
            let worker = rng.random_range(0..workers);
            let goodbye = rng.random_bool(0.5);
            let kind = match rng.random_range(0..7) {
                0 => FaultKind::Partition(worker),
                1 => FaultKind::Hold(worker),
                2 => FaultKind::WorkerCrash(worker, goodbye),
                3 | 4 => FaultKind::LearnerCrash(goodbye),
                5 => FaultKind::Silence(worker),
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

impl Fault {
    /// Until when `worker` is silent that would send something at `now`.
    pub(crate) fn silences(&self, worker: usize, now: Duration) -> Option<Duration> {
        let is_now = (self.from..self.until).contains(&now);
        (is_now && self.kind == FaultKind::Silence(worker)).then_some(self.until)
    }
}

/// Makes faults happen.
///
/// In which order tokio wakes the tasks of a host is its own choice, not the seed's. So chance is
/// never asked message by message: each link has a latency that changes between two ticks.
pub(crate) struct Chaos {
    faults: Vec<Fault>,
    workers: usize,
    /// The shortest and the longest of a message.
    latency: (Duration, Duration),
    loss: f64,
    /// When the links work again that lose everything for a moment.
    losing: BTreeMap<usize, Duration>,
    rng: ChaCha8Rng,
}

impl Chaos {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            faults: scenario.faults.clone(),
            workers: scenario.workers.len(),
            latency: scenario.latency,
            loss: 0.0,
            losing: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(!scenario.seed),
        }
    }

    /// Ends and begins the faults whose time has come.
    pub(crate) fn at(&mut self, now: Duration, sim: &mut Sim<'_>) {
        self.change_latency(sim);
        self.lose(now, sim);
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
        self.loss = 0.0;
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
            // The worker sees to that itself.
            FaultKind::Silence(_) => {}
            FaultKind::Loss(rate) => self.loss = rate,
        }
    }

    fn end(&mut self, kind: FaultKind, sim: &mut Sim<'_>) {
        match kind {
            FaultKind::Partition(worker) | FaultKind::Hold(worker) => {
                sim.release(worker_name(worker), LEARNER);
            }
            FaultKind::WorkerCrash(worker, _) => start_again(sim, &worker_name(worker)),
            FaultKind::LearnerCrash(_) => start_again(sim, LEARNER),
            FaultKind::Silence(_) => {}
            FaultKind::Loss(_) => self.loss = 0.0,
        }
    }

    pub(crate) fn crash_worker(&self, worker: usize, goodbye: bool, sim: &mut Sim<'_>) {
        self.crash(&worker_name(worker), worker..worker + 1, goodbye, sim);
    }

    fn crash(&self, host: &str, workers: Range<usize>, goodbye: bool, sim: &mut Sim<'_>) {
        if goodbye {
            sim.crash(host);
            return;
        }
        for worker in workers.clone().map(worker_name) {
            sim.partition(worker, LEARNER);
        }
        sim.crash(host);
        for worker in workers.map(worker_name) {
            sim.release(worker, LEARNER);
        }
    }

    /// Now and then messages between a worker and the learner become slower or faster.
    fn change_latency(&mut self, sim: &mut Sim<'_>) {
        let (shortest, longest) = self.latency;
        for worker in 0..self.workers {
            if self.rng.random_bool(LATENCY_CHANGES) {
                let latency = shortest + (longest - shortest).mul_f64(self.rng.random());
                sim.set_link_latency(worker_name(worker), LEARNER, latency);
            }
        }
    }

    /// Loses what is between a worker and the learner at this moment, and for a little longer.
    fn lose(&mut self, now: Duration, sim: &mut Sim<'_>) {
        for worker in 0..self.workers {
            if self.losing.get(&worker) == Some(&now) {
                sim.release(worker_name(worker), LEARNER);
            }
            if self.loss > 0.0 && self.rng.random_bool(self.loss) {
                sim.partition(worker_name(worker), LEARNER);
                self.losing
                    .insert(worker, now + ms(self.rng.random_range(1..20)));
            }
        }
    }
}

/// Two crashes may overlap; the first to end brings the host back.
fn start_again(sim: &mut Sim<'_>, host: &str) {
    if !sim.is_host_running(host) {
        sim.bounce(host);
    }
}
