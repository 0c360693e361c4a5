use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use troop_actor::link::LinkClosed;
use troop_common::weights::Weights;
use troop_learner::ParameterServer;
use troop_learner::checkpoint::Checkpoint;
use troop_replay::service::{ReplayMetrics, ReplayService};
use troop_replay::{Drawn, ReplaySettings};

use super::experience::Experience;
use super::items;
use super::scenario::Scenario;
use crate::ledger::{Ledger, Made, elements, gradient};
use crate::scenario::WorkerPlan;

/// What outlives hosts: the learner's disk, and what the test knows.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) experience: Experience,
    ledger: Ledger,
    /// The learner that runs now.
    pub(super) server: Option<Arc<ParameterServer>>,
    /// Its lives that have begun.
    pub(super) epoch: u64,
    pub(super) checkpoint: Option<Checkpoint>,
    /// Env steps that its life began with.
    began_with: u64,
    /// Env steps that workers have reported, by the life that their weights came from.
    reported: BTreeMap<u64, u64>,
    /// Env steps that workers have handed to their links to a replay.
    handed: u64,
    /// Env steps that each life of a replay says it was added.
    added: BTreeMap<u64, u64>,
    pub(super) replays: Vec<Option<ReplayLife>>,
    replay_lives: u64,
    worker_lives: u32,
    pub(super) workers: Vec<WorkerState>,
    /// Those who act are to leave.
    pub(super) actors_leave: bool,
    /// The run is over.
    pub(super) is_over: bool,
}

/// A replay that runs now.
pub(super) struct ReplayLife {
    pub(super) life: u64,
    pub(super) service: ReplayService,
    pub(super) metrics: ReplayMetrics,
}

#[derive(Clone, Copy, Default)]
pub(super) struct WorkerState {
    starts: u64,
    /// Gradients that it has computed.
    gradients: u64,
    /// Epoch and version of the newest weights that it has seen.
    newest: (u64, u64),
    /// Segments that it has added and reported, or draws that it has learnt from.
    pub(super) done: u64,
}

/// How a worker starts.
pub(super) struct Start {
    pub(super) plan: WorkerPlan,
    pub(super) pause: Duration,
    pub(super) seed: u64,
    /// No other worker has it.
    pub(super) life: u32,
    pub(super) trainers: usize,
    pub(super) replay: ReplaySettings,
    pub(super) environments: usize,
    pub(super) env_steps: usize,
    pub(super) items: usize,
}

pub(super) type Shared = Rc<RefCell<World>>;

impl World {
    pub(super) fn new(scenario: Scenario) -> Self {
        let settings = &scenario.experiment.learner;
        Self {
            experience: Experience::default(),
            ledger: Ledger::new(settings.staleness, settings.max_staleness_updates, 0.0),
            server: None,
            epoch: 0,
            checkpoint: None,
            began_with: 0,
            reported: BTreeMap::new(),
            handed: 0,
            added: BTreeMap::new(),
            replays: (0..scenario.replays()).map(|_| None).collect(),
            replay_lives: 0,
            worker_lives: 0,
            workers: vec![WorkerState::default(); scenario.workers.len()],
            actors_leave: false,
            is_over: false,
            scenario,
        }
    }

    pub(super) fn start_worker(&mut self, index: usize) -> Start {
        self.worker_lives += 1;
        let state = &mut self.workers[index];
        state.starts += 1;
        let scenario = &self.scenario;
        let plan = scenario.workers[index];
        Start {
            plan,
            pause: match state.starts {
                1 => plan.start,
                _ => Duration::ZERO,
            },
            seed: scenario.seed ^ ((index as u64 + 1) << 32) ^ (state.starts << 48),
            life: self.worker_lives,
            trainers: scenario.trainers(),
            replay: scenario.replay.clone(),
            environments: scenario.environments,
            env_steps: scenario.env_steps,
            items: scenario.items,
        }
    }

    /// A worker ends: because it was told to leave, or as its links say.
    pub(super) fn end_worker(
        &mut self,
        index: usize,
        closed: Option<LinkClosed>,
    ) -> Result<(), String> {
        tracing::info!(worker = index, ?closed, "worker ends");
        match closed {
            None if self.actors_leave => Ok(()),
            Some(LinkClosed::Finished(_)) if self.is_over => Ok(()),
            closed => Err(format!("worker {index} ended: {closed:?}")),
        }
    }

    /// A replay's process starts; gives its life, and how long it takes to start.
    pub(super) fn start_replay(&mut self) -> (u64, Duration) {
        self.replay_lives += 1;
        let pause = match self.replay_lives > self.scenario.replays() as u64 {
            true => self.scenario.restart_pause,
            false => Duration::ZERO,
        };
        (self.replay_lives, pause)
    }

    /// The learner's process starts; gives how long it takes to.
    pub(super) fn start_learner(&mut self) -> Duration {
        match self.epoch {
            0 => Duration::ZERO,
            _ => self.scenario.restart_pause,
        }
    }

    /// The learner begins a life.
    pub(super) fn begin(&mut self, server: Arc<ParameterServer>) {
        let trainers = self.scenario.trainers();
        let parameters = match server.checkpoint() {
            Some(checkpoint) => checkpoint.parameters,
            None => vec![0.0; elements(trainers)],
        };
        self.ledger
            .begin(server.epoch(), server.version(), parameters);
        self.began_with = server.progress().counters.env_steps;
        self.server = Some(server);
    }

    /// A worker has weights.
    pub(super) fn see(&mut self, index: usize, weights: &Weights) {
        let state = &mut self.workers[index];
        let now = (weights.epoch, weights.version);
        assert!(
            now >= state.newest,
            "worker {index} got {now:?} after {:?}",
            state.newest
        );
        state.newest = now;
    }

    /// A worker is about to add a segment.
    pub(super) fn hand_to_replay(&mut self, env_steps: u64) {
        self.handed += env_steps;
    }

    /// A worker is about to report one.
    pub(super) fn report(&mut self, epoch: u64, env_steps: u64) {
        *self.reported.entry(epoch).or_default() += env_steps;
    }

    pub(super) fn check_items(&mut self, drawn: &Drawn) -> Result<(), String> {
        items::check(drawn, self.scenario.replay.items, &mut self.experience)
    }

    /// The number of the next gradient of a worker, which it has computed on `weights`, and the gradient.
    pub(super) fn next_gradient(&mut self, index: usize, weights: &Weights) -> (u64, Vec<f32>) {
        let state = &mut self.workers[index];
        state.gradients += 1;
        let made = Made {
            worker: index - self.scenario.actors,
            number: state.gradients,
        };
        self.ledger.send(made, weights.epoch, weights.version);
        (made.number, gradient(made, self.scenario.trainers()))
    }

    /// What must be true at every moment.
    pub(super) fn check(&mut self) -> Result<(), String> {
        self.check_replays()?;
        let Some(server) = &self.server else {
            return Ok(());
        };
        if let Some(checkpoint) = server.checkpoint() {
            let version = checkpoint.state.version;
            self.ledger.see(version, checkpoint.parameters)?;
        }
        let counted = server.progress().counters.env_steps - self.began_with;
        let reported = self.reported.get(&server.epoch()).copied().unwrap_or(0);
        match counted <= reported {
            true => Ok(()),
            false => Err(format!("{counted} env steps were counted of {reported}")),
        }
    }

    fn check_replays(&mut self) -> Result<(), String> {
        for replay in self.replays.iter().flatten() {
            let counts = replay.service.counts();
            self.added.insert(replay.life, counts.env_steps_inserted);
        }
        let (added, handed) = (self.added.values().sum::<u64>(), self.handed);
        match added <= handed {
            true => Ok(()),
            false => Err(format!("{added} env steps were added of {handed}")),
        }
    }

    /// Env steps that workers had, that the learner counted, and that replays were added.
    pub(super) fn counted(&self) -> [u64; 3] {
        let server = self.server.as_ref();
        let counted = server.map_or(0, |server| server.progress().counters.env_steps);
        [self.handed, counted, self.added.values().sum()]
    }

    /// What is held for workers although there is none; none if it is nothing.
    pub(super) fn held_for_nobody(&self) -> Option<String> {
        // One that has joined and not opened has 120 s for that.
        let sessions = self.server.as_ref().map(|server| {
            let metrics = server.metrics();
            let open = |role| metrics.role_sessions.with_label_values(&[role]).get();
            let bytes = metrics.bytes_in_flight.get();
            (open("act"), open("train"), bytes)
        });
        if sessions != Some((0, 0, 0)) {
            return Some(format!("{sessions:?} sessions and bytes"));
        }
        let held = |replay: &Option<ReplayLife>| {
            let Some(replay) = replay else {
                return Some("a replay is away".to_owned());
            };
            let counts = replay.service.counts();
            let waiting = (counts.appends_waiting, counts.draws_waiting);
            let there = (counts.writers, counts.readers);
            let metrics = &replay.metrics;
            let bytes = (metrics.append_bytes.get(), metrics.draw_bytes.get());
            let held = (there, waiting, bytes);
            (held != ((0, 0), (0, 0), (0, 0))).then(|| format!("{held:?} of a replay"))
        };
        self.replays.iter().find_map(held)
    }
}

/// Sends nothing for as long as the scenario wants.
pub(super) async fn keep_silent(world: &Shared, index: usize) {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    let until = {
        let world = world.borrow();
        let mut faults = world.scenario.faults.iter();
        faults.find_map(|fault| fault.silences(index, now))
    };
    if let Some(until) = until {
        tokio::time::sleep(until - now).await;
    }
}
