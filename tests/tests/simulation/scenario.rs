use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{
    ActorSettings, Anneal, Experiment, Optimizer, Publish, SendWeights, StalenessPolicy,
    WireEncoding,
};

use crate::faults::{Fault, plan};
use crate::ledger::elements;

/// Everything that a seed decides before the run begins.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) experiment: Experiment,
    pub(crate) workers: Vec<WorkerPlan>,
    pub(crate) latency: (Duration, Duration),
    pub(crate) checkpoint_interval: Duration,
    pub(crate) faults: Vec<Fault>,
}

/// How a worker behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerPlan {
    /// When it starts.
    pub(crate) start: Duration,
    /// Mean time that it computes a gradient.
    pub(crate) compute: Duration,
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..=6);
        let workers: Vec<WorkerPlan> = (0..count).map(|_| worker(&mut rng)).collect();
        let fastest = ms(rng.random_range(1..4));
        Self {
            seed,
            experiment: experiment(&mut rng, count),
            latency: (fastest, fastest + ms(rng.random_range(1..20))),
            checkpoint_interval: ms(rng.random_range(50..600)),
            faults: plan(&mut rng, count),
            workers,
        }
    }
}

impl Scenario {
    /// Workers that take turns, and nothing that goes wrong: how old gradients are is then the policy's doing
    /// alone.
    pub(crate) fn of_turns(seed: u64) -> Self {
        let mut scenario = Self::new(seed);
        let learner = &mut scenario.experiment.learner;
        learner.staleness = StalenessPolicy::Bound;
        learner.bound_updates = seed % 3;
        learner.publish = Publish::Updates(1);
        learner.straggler_timeout_ms = None;
        scenario.faults.clear();
        scenario
    }

    /// Updates that a gradient may be old at most, if the policy promises that: each of the other
    /// sessions makes no more than 2s + 1 between a session's turn and the end of its gradient. A
    /// connection that is lost makes two sessions of one worker.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let learner = &self.experiment.learner;
        let promised = learner.staleness == StalenessPolicy::Bound
            && learner.publish == Publish::Updates(1)
            && self.faults.is_empty();
        let others = self.workers.len() as u64 - 1;
        promised.then_some((2 * learner.bound_updates + 1) * others)
    }
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A worker, often a quick one.
pub(crate) fn worker(rng: &mut ChaCha8Rng) -> WorkerPlan {
    let slow = if rng.random_bool(0.2) { 10 } else { 1 };
    WorkerPlan {
        start: ms(rng.random_range(0..1_500)),
        compute: ms(slow * rng.random_range(5..40)),
    }
}

/// Plain SGD at a rate of 1, so that what is applied can be read off the parameters; how it is sent is chance's.
pub(crate) fn plain_sgd(rng: &mut ChaCha8Rng) -> Experiment {
    plain(Experiment::default(), rng)
}

/// The same of an experiment.
pub(crate) fn plain(mut experiment: Experiment, rng: &mut ChaCha8Rng) -> Experiment {
    experiment.experiment.name = "simulation".into();
    experiment.experiment.total_env_steps = u64::from(u32::MAX);
    experiment.optimizer.name = Optimizer::Sgd;
    experiment.optimizer.learning_rate = 1.0;
    experiment.optimizer.anneal = Anneal::Constant;
    experiment.optimizer.max_gradient_norm = None;
    experiment.actor = actor_settings();

    let wire = &mut experiment.wire;
    wire.gradients = encoding(rng);
    wire.weights = encoding(rng);
    wire.gradients_in_flight = rng.random_range(1..4);
    (wire.keepalive_interval_ms, wire.keepalive_timeout_ms) = (200, 200);
    if rng.random_bool(0.4) {
        wire.send_weights = SendWeights::AfterGradient;
    }
    experiment
}

fn experiment(rng: &mut ChaCha8Rng, workers: usize) -> Experiment {
    use StalenessPolicy::{Accept, Bound, Compensate, Drop, Scale, Synchronous};
    let mut experiment = plain_sgd(rng);
    let learner = &mut experiment.learner;
    let policies = [Accept, Drop, Scale, Compensate, Bound, Synchronous];
    learner.staleness = policies[rng.random_range(0..policies.len())];
    learner.max_staleness_updates = rng.random_range(1..8);
    learner.compensation_history = rng.random_range(1..8);
    learner.bound_updates = rng.random_range(0..4);
    learner.synchronous_workers = rng.random_range(1..=workers);
    learner.straggler_timeout_ms = rng.random_bool(0.5).then_some(100);
    let together = experiment.wire.send_weights == SendWeights::AfterGradient;
    if learner.staleness != Synchronous && !together {
        learner.publish = match rng.random_range(0..3) {
            0 => Publish::IntervalMs(rng.random_range(2..80)),
            1 => Publish::Updates(rng.random_range(1..=learner.max_staleness_updates)),
            _ => Publish::Updates(1),
        };
    }
    // A round needs room for all its gradients, and for those of connections that are lost.
    let buffers = match learner.staleness {
        Synchronous => 4 * workers,
        _ => rng.random_range(1..4),
    };
    learner.bytes_in_flight = (buffers * elements(workers) * size_of::<f32>()) as u64;
    experiment
}

pub(crate) fn actor_settings() -> ActorSettings {
    ActorSettings {
        reconnect_initial_ms: 20,
        reconnect_max_ms: 300,
        give_up_after_s: 600,
        ..ActorSettings::default()
    }
}

fn encoding(rng: &mut ChaCha8Rng) -> WireEncoding {
    if rng.random_bool(0.3) {
        WireEncoding::Bf16
    } else {
        WireEncoding::F32
    }
}
