use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{Experiment, StalenessPolicy, resolve};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{InitialPriority, ItemKind, Pace, ReplaySettings, SamplesPerInsert, TableKind};

use super::run::LEARNER;
use crate::faults::{Fault, FaultKind};
use crate::ledger::elements;
use crate::network::Network;
use crate::scenario::{WorkerPlan, ms, plain, worker};

/// Bytes of a replay: more than what is added fits there sometimes.
const REPLAY_BYTES: u64 = 1 << 16;

/// How far those who add and those who draw may run ahead of each other, in portions.
const BAND: f64 = 2.0;

/// Everything that a seed decides before the run begins.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(super) experiment: Experiment,
    pub(super) replay: ReplaySettings,
    /// Those who act, then those who train.
    pub(super) workers: Vec<WorkerPlan>,
    /// How many of them act.
    pub(super) actors: usize,
    /// Of each worker that acts.
    pub(super) environments: usize,
    /// Steps of a segment.
    pub(super) env_steps: usize,
    /// Items of a draw.
    pub(super) items: usize,
    pub(super) latency: (Duration, Duration),
    pub(super) checkpoint_interval: Duration,
    pub(super) restart_pause: Duration,
    pub(super) faults: Vec<Fault>,
    pub(super) last: Option<LastFault>,
}

/// A link that does not work when the run ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastFault {
    pub(super) link: usize,
    /// How long before the end that begins.
    pub(super) before: Duration,
    /// How long after the end it goes on.
    pub(super) after: Duration,
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let (actors, trainers) = (rng.random_range(1..=3), rng.random_range(1..=2));
        let workers: Vec<WorkerPlan> = (0..actors + trainers).map(|_| worker(rng)).collect();
        let items = rng.random_range(1..=4);
        let environments = rng.random_range(1..=3);
        let fastest = ms(rng.random_range(1..4));
        let (preset, kind) = kind(rng);
        let experiment = experiment(rng, preset, (actors, trainers, environments));
        let env_steps = rng.random_range(1..=4);
        let sizes = (actors, environments, env_steps, items);
        let network = Network::of_split(workers.len(), experiment.topology.replays, LEARNER);
        Self {
            seed,
            replay: replay(rng, kind, sizes),
            actors,
            environments,
            env_steps,
            items,
            latency: (fastest, fastest + ms(rng.random_range(1..20))),
            checkpoint_interval: ms(rng.random_range(50..600)),
            restart_pause: ms(rng.random_range(1..200)),
            faults: faults(rng, workers.len(), &network),
            last: rng.random_bool(0.5).then(|| LastFault {
                link: rng.random_range(0..network.links()),
                before: ms(rng.random_range(1..1_000)),
                after: ms(rng.random_range(1..2_000)),
            }),
            experiment,
            workers,
        }
    }

    /// Nothing goes wrong, and those who act leave when all have worked for a while.
    pub(crate) fn quiet(seed: u64) -> Self {
        let mut scenario = Self::new(seed);
        scenario.faults.clear();
        scenario.last = None;
        scenario
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.faults.is_empty() && self.last.is_none()
    }

    pub(super) fn replays(&self) -> usize {
        self.experiment.topology.replays
    }

    pub(super) fn trainers(&self) -> usize {
        self.workers.len() - self.actors
    }

    /// How long a worker that acts may have to wait for each of its segments: the draws that one stands for, made by one worker
    /// that trains, at each replay by turns, for all who add there.
    pub(super) fn segment_pace(&self) -> Duration {
        let pace = match &self.replay.table {
            TableKind::Uniform { pace } | TableKind::Prioritized { pace, .. } => pace,
            TableKind::Fifo { .. } => return Duration::ZERO,
        };
        let ratio = pace.samples_per_insert.map_or(0.0, |it| it.ratio);
        let draws = ratio * (self.environments * self.env_steps) as f64 / self.items as f64;
        let writers = self.actors.div_ceil(self.replays());
        let slowest = self.workers[self.actors..].iter().map(|it| it.compute);
        let draw = slowest.max().unwrap_or_default();
        draw.mul_f64(draws) * (self.replays() * writers) as u32
    }

    pub(super) fn network(&self) -> Network {
        Network::of_split(self.workers.len(), self.replays(), LEARNER)
    }
}

/// What is drawn, and a preset that draws such items.
fn kind(rng: &mut ChaCha8Rng) -> (&'static str, ItemKind) {
    let discount = 0.5;
    match rng.random_range(0..5) {
        0 | 1 => {
            let n_step = rng.random_range(1..=4);
            ("cartpole-ape-x", ItemKind::Transitions { n_step, discount })
        }
        2 | 3 => {
            let env_steps = rng.random_range(1..=6);
            ("cartpole-impala", ItemKind::Unrolls { env_steps })
        }
        _ => {
            let env_steps = rng.random_range(2..=6);
            let overlap = rng.random_range(0..env_steps);
            let burn_in = rng.random_range(0..=overlap);
            let kind = ItemKind::Sequences {
                env_steps,
                overlap,
                burn_in,
            };
            ("cartpole-r2d2", kind)
        }
    }
}

fn experiment(
    rng: &mut ChaCha8Rng,
    preset: &str,
    (actors, trainers, environments): (usize, usize, usize),
) -> Experiment {
    use StalenessPolicy::{Accept, Bound, Drop};
    let overrides = format!("topology.trainers={trainers}");
    let resolved = resolve(preset, &[overrides]).unwrap();
    let mut experiment = plain(resolved.experiment, rng);
    experiment.environment.envs_per_worker = environments;
    let topology = &mut experiment.topology;
    topology.replays = rng.random_range(1..=2);
    topology.replay_bytes = REPLAY_BYTES;
    topology.most_actors = actors;
    topology.prefetch = rng.random_range(1..4);
    let learner = &mut experiment.learner;
    learner.staleness = [Accept, Bound, Drop][rng.random_range(0..3)];
    learner.max_staleness_updates = rng.random_range(1..8);
    learner.bound_updates = rng.random_range(0..4);
    learner.straggler_timeout_ms = rng.random_bool(0.5).then_some(100);
    let buffers: usize = rng.random_range(1..4);
    learner.bytes_in_flight = (buffers * elements(trainers) * size_of::<f32>()) as u64;
    experiment
}

/// A replay of those items, for so many workers that act in so many environments each, with segments and draws of so many
/// steps and items.
fn replay(
    rng: &mut ChaCha8Rng,
    kind: ItemKind,
    (actors, environments, env_steps, items): (usize, usize, usize, usize),
) -> ReplaySettings {
    let append = environments * env_steps;
    let of_item = match kind {
        ItemKind::Transitions { .. } => 1,
        ItemKind::Unrolls { env_steps } | ItemKind::Sequences { env_steps, .. } => env_steps,
    };
    let ratio = [0.5, 1.0, 4.0][rng.random_range(0..3)];
    let portion = f64::max(ratio * append as f64, (items * of_item) as f64);
    let pace = Pace {
        start_env_steps: rng.random_range(0..50),
        samples_per_insert: rng.random_bool(0.8).then_some(SamplesPerInsert {
            ratio,
            band_env_steps: BAND * portion,
        }),
    };
    let table = match kind {
        ItemKind::Unrolls { .. } => TableKind::Fifo {
            queue_items: 4 * append.max(items),
        },
        _ if rng.random() => TableKind::Uniform { pace },
        _ => TableKind::Prioritized {
            exponent: 0.6,
            epsilon: 0.01,
            initial: InitialPriority::Largest,
            pace,
        },
    };
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![4],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 3 },
        },
        stack: 1,
        behaviour_len: 0,
        state_len: 0,
        most_environments: actors * environments,
        most_environments_per_writer: environments,
        most_env_steps_per_append: append,
        most_items_per_draw: items,
        bytes: REPLAY_BYTES,
        max_age_versions: 0,
        items: kind,
        table,
    }
}

fn faults(rng: &mut ChaCha8Rng, workers: usize, network: &Network) -> Vec<Fault> {
    let count = rng.random_range(0..8);
    let mut fault = || {
        let goodbye = rng.random_bool(0.5);
        let learner = network.hosts() - 1;
        let kind = match rng.random_range(0..9) {
            0 => FaultKind::Silence(rng.random_range(0..workers)),
            1 => FaultKind::Loss(rng.random_range(0.001..0.02)),
            2 => FaultKind::Partition(rng.random_range(0..network.links())),
            3 => FaultKind::Hold(rng.random_range(0..network.links())),
            4 => FaultKind::Isolation(rng.random_range(workers..network.hosts())),
            5 | 6 => FaultKind::Crash(rng.random_range(0..workers), goodbye),
            7 => FaultKind::Crash(rng.random_range(workers..learner), goodbye),
            _ => FaultKind::Crash(learner, goodbye),
        };
        Fault::drawn(rng, kind)
    };
    (0..count).map(|_| fault()).collect()
}
