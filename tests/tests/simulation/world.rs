use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use troop_actor::link::{
    AsyncLink, Connecting, Connector, Contribution, EndpointSettings, Interrupt, Io,
};
use troop_common::experiment::{StalenessPolicy, WireEncoding};
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;
use troop_learner::ParameterServer;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::metrics::Metrics;
use troop_learner::service::{Service, serve_connections};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use crate::faults::{Chaos, HEALED};
use crate::invariants::Invariants;
use crate::ledger::{elements, gradient};
use crate::scenario::{Scenario, WorkerPlan, actor_settings, ms};
use crate::trace::Trace;

/// The learner's host.
pub(crate) const LEARNER: &str = "learner";

const PORT: u16 = 7700;

/// One step of the simulation.
const TICK: Duration = Duration::from_millis(1);

/// After the last fault every worker gets new weights within this time: the transport's longest
/// limit is 10 s, and two of them may follow each other.
const RECOVERY: Duration = Duration::from_secs(30);

/// Different weights that a worker sees before it counts as recovered.
const WEIGHTS_AFTER_FAULTS: u64 = 3;

/// The host of a worker.
pub(crate) fn worker_name(worker: usize) -> String {
    format!("worker{worker}")
}

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
    sim: Sim<'a>,
    chaos: Chaos,
    world: Shared,
    trace: Trace,
    lines: Vec<String>,
}

impl Run<'_> {
    fn new(scenario: Scenario, trace: Trace) -> Self {
        let mut sim = Builder::new()
            .rng_seed(scenario.seed)
            .tick_duration(TICK)
            .min_message_latency(scenario.latency.0)
            .max_message_latency(scenario.latency.0)
            .simulation_duration(Duration::from_secs(3_600))
            .tcp_capacity(4_096)
            .build();
        let chaos = Chaos::new(&scenario);
        let world = Rc::new(RefCell::new(World {
            invariants: Invariants::new(&scenario),
            epoch: 0,
            checkpoint: None,
            workers: vec![WorkerState::default(); scenario.workers.len()],
            scenario,
        }));
        let shared = Rc::clone(&world);
        sim.host(LEARNER, move || learner(Rc::clone(&shared)));
        let workers = world.borrow().scenario.workers.len();
        for index in 0..workers {
            let shared = Rc::clone(&world);
            sim.host(worker_name(index), move || {
                worker(Rc::clone(&shared), index)
            });
        }
        Self {
            sim,
            chaos,
            world,
            trace,
            lines: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Vec<String>, String> {
        let result = self.run_to_end();
        let why = |error: String| {
            let scenario = &self.world.borrow().scenario;
            let last = self.lines.len().saturating_sub(25);
            let last = self.lines[last..].join("\n");
            format!("at {:?}: {error}\n{scenario:?}\n{last}", self.sim.elapsed())
        };
        result.map_err(why)?;
        Ok(self.lines)
    }

    fn run_to_end(&mut self) -> Result<(), String> {
        let workers = self.world.borrow().workers.len();
        while self.sim.elapsed() < HEALED {
            self.chaos.at(self.sim.elapsed(), &mut self.sim);
            self.step()?;
        }
        self.chaos.heal(&mut self.sim);
        self.recover()?;
        for index in 0..workers {
            self.chaos.crash_worker(index, true, &mut self.sim);
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
        let limit = self.sim.elapsed() + RECOVERY;
        while !done(&self.world.borrow()) {
            if self.sim.elapsed() > limit {
                return Err(format!("{otherwise} within {RECOVERY:?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        let result = self.sim.step().map_err(|error| error.to_string());
        let happenings = self.trace.take();
        self.lines
            .extend(happenings.iter().map(ToString::to_string));
        result?;
        let learner_runs = self.sim.is_host_running(LEARNER);
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
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let (accepted, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            if accepted
                .send(Ok(Connection { stream, peer }))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    let service = Service::new(server)?;
    serve_connections(ReceiverStream::new(incoming), service, None).await?;
    Ok(())
}

async fn worker(world: Shared, index: usize) -> turmoil::Result {
    let (plan, first, seed) = {
        let world = &mut *world.borrow_mut();
        let state = &mut world.workers[index];
        state.starts += 1;
        let seed = world.scenario.seed ^ ((index as u64 + 1) << 32) ^ (state.starts << 48);
        (world.scenario.workers[index], state.starts == 1, seed)
    };
    if first {
        tokio::time::sleep(plan.start).await;
    }
    let (mut link, experiment, info) = AsyncLink::join(endpoint(index, seed)).await?;
    tracing::info!(
        worker = index,
        session = info.session,
        epoch = info.epoch,
        "worker joined"
    );
    assert_eq!(experiment, world.borrow().scenario.experiment.for_actors());
    let workers = world.borrow().workers.len();
    link.open(&layout(workers)).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    loop {
        let weights = link.weights().await?;
        see(&world, index, &weights);
        compute(&mut rng, plan).await;
        keep_silent(&world, index).await;
        let number = next_gradient(&world, index, &weights);
        let mut contribution = Contribution {
            epoch: weights.epoch,
            version: weights.version,
            gradient: gradient(index, number, workers),
            report: Report {
                env_steps: 1,
                frames: 1,
                ..Report::default()
            },
        };
        link.push(&mut contribution).await?;
        tracing::debug!(worker = index, number, version = weights.version, "pushed");
    }
}

fn see(world: &Shared, index: usize, weights: &Weights) {
    let world = &mut *world.borrow_mut();
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

fn next_gradient(world: &Shared, index: usize, weights: &Weights) -> u64 {
    let world = &mut *world.borrow_mut();
    world.workers[index].gradients += 1;
    let number = world.workers[index].gradients;
    world
        .invariants
        .send(index, number, weights.epoch, weights.version);
    number
}

async fn compute(rng: &mut ChaCha8Rng, plan: WorkerPlan) {
    let factor = rng.random_range(0.2..1.8);
    tokio::time::sleep(plan.compute.mul_f64(factor).max(ms(1))).await;
}

/// Sends nothing for as long as the scenario wants.
async fn keep_silent(world: &Shared, index: usize) {
    let silences = |now| {
        let world = world.borrow();
        let mut faults = world.scenario.faults.iter();
        faults.find_map(|fault| fault.silences(index, now))
    };
    let now = turmoil::sim_elapsed().unwrap_or_default();
    if let Some(until) = silences(now) {
        tokio::time::sleep(until - now).await;
    }
}

fn endpoint(index: usize, jitter_seed: u64) -> EndpointSettings {
    let dial = || -> Connecting {
        Box::pin(async {
            let stream = TcpStream::connect((LEARNER, PORT)).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    };
    EndpointSettings {
        url: format!("http://{LEARNER}:{PORT}"),
        tls: None,
        token: None,
        worker: worker_name(index),
        role: None,
        actor: actor_settings(),
        interrupt: Interrupt::default(),
        connector: Connector::Custom(Arc::new(move |_| dial())),
        jitter_seed,
    }
}

fn layout(workers: usize) -> Layout {
    let spec = TensorSpec {
        name: "w".into(),
        shape: vec![elements(workers)],
        initializer: Initializer::Zeros,
    };
    Layout::new(vec![spec]).unwrap()
}

/// A simulated connection, in tonic's terms.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Connected for Connection {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
