use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{Experiment, StalenessPolicy, WireEncoding};

use super::vector::part_elements;
use crate::faults::{Fault, FaultKind};
use crate::network::Network;
use crate::scenario::{WorkerPlan, ms, plain_sgd, worker};

/// Everything that a seed decides before the run begins.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(super) experiment: Experiment,
    pub(super) workers: Vec<WorkerPlan>,
    pub(super) latency: (Duration, Duration),
    /// Between two cuts.
    pub(super) cut_interval: Duration,
    /// Until a learner that has ended is started again.
    pub(super) restart_pause: Duration,
    pub(super) faults: Vec<Fault>,
    pub(super) ambushes: Vec<Ambush>,
}

/// A fault in the middle of a cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambush {
    /// Which of the run's cuts, counted from 1.
    pub(super) cut: u64,
    /// How long it has been going on.
    pub(super) after: Duration,
    pub(super) lasts: Duration,
    pub(super) kind: FaultKind,
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..=4);
        let workers: Vec<WorkerPlan> = (0..count).map(|_| worker(&mut rng)).collect();
        let fastest = ms(rng.random_range(1..4));
        let experiment = experiment(&mut rng, count);
        let hosts = Hosts {
            workers: count,
            network: Network::of_shards(count, experiment.learner.shards),
        };
        Self {
            seed,
            experiment,
            latency: (fastest, fastest + ms(rng.random_range(1..20))),
            cut_interval: ms(rng.random_range(30..400)),
            restart_pause: ms(rng.random_range(1..200)),
            faults: hosts.faults(&mut rng),
            ambushes: hosts.ambushes(&mut rng),
            workers,
        }
    }

    /// Nothing goes wrong, and no shard refuses what another applies.
    pub(crate) fn quiet(seed: u64) -> Self {
        let mut scenario = Self::new(seed);
        if scenario.experiment.learner.staleness == StalenessPolicy::Drop {
            scenario.experiment.learner.staleness = StalenessPolicy::Accept;
        }
        scenario.faults.clear();
        scenario.ambushes.clear();
        scenario
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.faults.is_empty()
            && self.ambushes.is_empty()
            && self.experiment.learner.staleness != StalenessPolicy::Drop
    }

    pub(super) fn shards(&self) -> usize {
        self.experiment.learner.shards
    }

    pub(super) fn network(&self) -> Network {
        Network::of_shards(self.workers.len(), self.shards())
    }
}

/// To whom something may happen.
struct Hosts {
    workers: usize,
    network: Network,
}

impl Hosts {
    fn faults(&self, rng: &mut ChaCha8Rng) -> Vec<Fault> {
        let count = rng.random_range(0..6);
        let mut fault = || {
            let kind = match rng.random_range(0..4) {
                0 => FaultKind::Silence(rng.random_range(0..self.workers)),
                1 => FaultKind::Loss(rng.random_range(0.001..0.02)),
                _ => self.fault_of_a_place(rng),
            };
            Fault::drawn(rng, kind)
        };
        (0..count).map(|_| fault()).collect()
    }

    fn ambushes(&self, rng: &mut ChaCha8Rng) -> Vec<Ambush> {
        let count = rng.random_range(0..4);
        let mut ambush = || Ambush {
            cut: rng.random_range(1..12),
            after: ms(rng.random_range(0..60)),
            lasts: ms(rng.random_range(1..500)),
            kind: self.fault_of_a_place(rng),
        };
        (0..count).map(|_| ambush()).collect()
    }

    fn fault_of_a_place(&self, rng: &mut ChaCha8Rng) -> FaultKind {
        let shards = self.workers..self.network.hosts();
        let link = rng.random_range(0..self.network.links());
        let goodbye = rng.random_bool(0.5);
        match rng.random_range(0..8) {
            0 => FaultKind::Partition(link),
            1 => FaultKind::Hold(link),
            2 => FaultKind::Isolation(rng.random_range(shards)),
            3 => FaultKind::Crash(rng.random_range(0..self.workers), goodbye),
            4 => FaultKind::Crash(self.workers, goodbye),
            _ => FaultKind::Crash(rng.random_range(shards), goodbye),
        }
    }
}

/// All policies by which a gradient moves its elements by a whole step or not at all.
fn experiment(rng: &mut ChaCha8Rng, workers: usize) -> Experiment {
    use StalenessPolicy::{Accept, Bound, Drop, Synchronous};
    let mut experiment = plain_sgd(rng);
    let learner = &mut experiment.learner;
    learner.shards = rng.random_range(2..=4);
    learner.staleness = [Accept, Bound, Drop, Synchronous][rng.random_range(0..4)];
    learner.synchronous_workers = rng.random_range(1..=workers);
    if learner.staleness == Synchronous {
        // A share of a step is no number that bf16 keeps.
        experiment.wire.weights = WireEncoding::F32;
    }
    learner.max_staleness_updates = rng.random_range(1..8);
    learner.bound_updates = rng.random_range(0..4);
    learner.straggler_timeout_ms = rng.random_bool(0.5).then_some(100);
    learner.drain_timeout_ms = 500;
    // A round needs room for all its gradients, and for those of connections that are lost.
    let buffers = match learner.staleness {
        Synchronous => 4 * workers,
        _ => rng.random_range(1..4),
    };
    learner.bytes_in_flight = (buffers * part_elements(workers) * size_of::<f32>()) as u64;
    experiment
}
