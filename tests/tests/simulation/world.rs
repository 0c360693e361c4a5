use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use troop_common::experiment::{StalenessPolicy, WireEncoding};
use troop_common::weights::Weights;
use troop_learner::ParameterServer;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::metrics::Metrics;
use troop_learner::service::Service;

use crate::connection::serve;
use crate::faults::{Chaos, HEALED};
use crate::invariants::Invariants;
use crate::ledger::{Made, elements, gradient};
use crate::network::{Network, worker_name};
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::trace::Trace;
use crate::worker::{Start, Surroundings, work};

/// The learner's host.
const LEARNER: &str = "learner";

/// After the last fault every worker gets new weights within this time: the transport's longest
/// limit is 10 s, and two of them may follow each other.
const RECOVERY: Duration = Duration::from_secs(30);

/// Different weights that a worker sees before it counts as recovered.
const WEIGHTS_AFTER_FAULTS: u64 = 3;

/// What outlives hosts: the disk, and what the test knows.
struct World {
    scenario: Scenario,
    invariants: Invariants,
    /// Lives of the learner that have begun.
    epoch: u64,
    checkpoint: Option<Checkpoint>,
    workers: Vec<WorkerState>,
}

#[derive(Clone, Copy, Default)]
struct WorkerState {
    starts: u64,
    /// Gradients that it has computed.
    gradients: u64,
    /// Epoch and version of the newest weights that it has seen.
    newest: (u64, u64),
    /// Different weights that it has seen.
    weights: u64,
}

type Shared = Rc<RefCell<World>>;

/// Runs a seed; gives all that happened, line by line.
pub(crate) fn simulate(seed: u64) -> Result<Vec<String>, String> {
    run(Scenario::new(seed))
}

/// Runs a scenario; gives all that happened, line by line.
pub(crate) fn run(scenario: Scenario) -> Result<Vec<String>, String> {
    let trace = Trace::default();
    trace.during(|| Run::new(scenario, trace.clone()).run())
}

struct Run<'a> {
    stage: Stage<'a>,
    chaos: Chaos,
    world: Shared,
}

impl Run<'_> {
    fn new(scenario: Scenario, trace: Trace) -> Self {
        let Scenario { seed, latency, .. } = scenario;
        let mut stage = Stage::new(seed, latency.0, trace);
        let workers = scenario.workers.len();
        let network = Network::of_one_learner(workers, LEARNER);
        let chaos = Chaos::new(network, &scenario.faults, latency, seed);
        let world = Rc::new(RefCell::new(World {
            invariants: Invariants::new(&scenario),
            epoch: 0,
            checkpoint: None,
            workers: vec![WorkerState::default(); workers],
            scenario,
        }));
        let shared = Rc::clone(&world);
        stage.sim.host(LEARNER, move || learner(Rc::clone(&shared)));
        for index in 0..workers {
            let shared = Rc::clone(&world);
            let host = move || work(Rc::clone(&shared), index);
            stage.sim.host(worker_name(index), host);
        }
        Self {
            stage,
            chaos,
            world,
        }
    }

    fn run(mut self) -> Result<Vec<String>, String> {
        let result = self.run_to_end();
        let scenario = &self.world.borrow().scenario;
        result.map_err(|error| self.stage.explain(&error, scenario))?;
        Ok(self.stage.into_lines())
    }

    fn run_to_end(&mut self) -> Result<(), String> {
        let workers = self.world.borrow().workers.len();
        while self.stage.sim.elapsed() < HEALED {
            self.chaos.at(self.stage.sim.elapsed(), &mut self.stage.sim);
            self.step()?;
        }
        self.chaos.heal(&mut self.stage.sim);
        self.recover()?;
        for index in 0..workers {
            self.chaos.crash(index, true, &mut self.stage.sim);
        }
        self.wait("the memory of gradients does not come back", |world| {
            let server = world.invariants.server();
            server.is_some_and(|server| server.metrics().bytes_in_flight.get() == 0)
        })
    }

    fn recover(&mut self) -> Result<(), String> {
        let seen = |world: &World| -> Vec<u64> {
            world.workers.iter().map(|worker| worker.weights).collect()
        };
        let before = seen(&self.world.borrow());
        self.wait("a worker gets no new weights", |world| {
            let after = seen(world);
            let mut both = before.iter().zip(&after);
            both.all(|(before, after)| *after >= before + WEIGHTS_AFTER_FAULTS)
        })
    }

    fn wait(&mut self, otherwise: &str, done: impl Fn(&World) -> bool) -> Result<(), String> {
        let limit = self.stage.sim.elapsed() + RECOVERY;
        while !done(&self.world.borrow()) {
            if self.stage.sim.elapsed() > limit {
                return Err(format!("{otherwise} within {RECOVERY:?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        let happenings = self.stage.step()?;
        let learner_runs = self.stage.sim.is_host_running(LEARNER);
        let invariants = &mut self.world.borrow_mut().invariants;
        if !learner_runs {
            invariants.crash();
        }
        invariants.check(&happenings)
    }
}

/// A life of the learner, from the last checkpoint where there is one.
async fn learner(world: Shared) -> turmoil::Result {
    let server = {
        let world = &mut *world.borrow_mut();
        world.epoch += 1;
        let experiment = world.scenario.experiment.clone();
        let checkpoint = world.checkpoint.clone();
        let server =
            ParameterServer::in_life(experiment, Metrics::new()?, world.epoch, checkpoint)?;
        let server = Arc::new(server);
        world.invariants.begin(Arc::clone(&server));
        server
    };
    tracing::info!(
        epoch = server.epoch(),
        version = server.version(),
        "life begins"
    );
    let interval = world.borrow().scenario.checkpoint_interval;
    let keeper = {
        let server = Arc::clone(&server);
        async move {
            loop {
                tokio::time::sleep(interval).await;
                if let Some(checkpoint) = server.checkpoint() {
                    world.borrow_mut().checkpoint = Some(checkpoint);
                }
            }
        }
    };
    tokio::task::spawn_local(keeper);
    serve(Service::new(server)?).await
}

impl Surroundings for Shared {
    fn start(&self, worker: usize) -> Start {
        let world = &mut *self.borrow_mut();
        let state = &mut world.workers[worker];
        state.starts += 1;
        Start {
            plan: world.scenario.workers[worker],
            is_first: state.starts == 1,
            seed: world.scenario.seed ^ ((worker as u64 + 1) << 32) ^ (state.starts << 48),
            learner: LEARNER.into(),
            experiment: world.scenario.experiment.clone(),
            elements: elements(world.workers.len()),
        }
    }

    fn see(&self, worker: usize, weights: &Weights) {
        see(&mut self.borrow_mut(), worker, weights);
    }

    fn next_gradient(&self, worker: usize, weights: &Weights) -> (u64, Vec<f32>) {
        let world = &mut *self.borrow_mut();
        let state = &mut world.workers[worker];
        state.gradients += 1;
        let number = state.gradients;
        let made = Made { worker, number };
        world.invariants.send(made, weights.epoch, weights.version);
        (number, gradient(made, world.workers.len()))
    }

    fn silent_until(&self, worker: usize, now: Duration) -> Option<Duration> {
        let world = self.borrow();
        let mut faults = world.scenario.faults.iter();
        faults.find_map(|fault| fault.silences(worker, now))
    }
}

fn see(world: &mut World, index: usize, weights: &Weights) {
    let (epoch, version) = (weights.epoch, weights.version);
    let state = &mut world.workers[index];
    assert!(
        (epoch, version) >= state.newest,
        "worker {index} got epoch {epoch}, version {version} after {:?}",
        state.newest
    );
    if state.newest != (epoch, version) || state.weights == 0 {
        state.weights += 1;
        tracing::debug!(worker = index, epoch, version, "new weights");
    }
    state.newest = (epoch, version);
    let settings = &world.scenario.experiment;
    use StalenessPolicy::{Accept, Bound, Drop};
    let whole_steps = matches!(settings.learner.staleness, Accept | Drop | Bound);
    if whole_steps && settings.wire.weights == WireEncoding::F32 {
        let (shared, own) = weights.parameters.split_last().unwrap();
        let applied: f32 = own.iter().sum();
        assert_eq!((-applied, -shared), (version as f32, version as f32));
    }
}
