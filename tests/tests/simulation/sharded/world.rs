use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use troop_common::weights::Weights;
use troop_learner::CutFailed;
use troop_learner::checkpoint::Checkpoint;

use super::invariants::Invariants;
use super::scenario::Scenario;
use super::vector::{elements, gradient};
use crate::ledger::Made;
use crate::network::shard_name;
use crate::worker::{Start, Surroundings};

/// What outlives hosts: the lead's disk, and what the test knows.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) invariants: Invariants,
    /// Lives of the run that have begun.
    pub(super) epoch: u64,
    /// The newest checkpoint.
    pub(super) disk: Option<Rc<Checkpoint>>,
    pub(super) cuts: Cuts,
    pub(super) learners: Vec<LearnerState>,
    /// Lives of shards beside the lead that have begun.
    pub(super) shard_lives: u64,
    pub(super) workers: Vec<WorkerState>,
}

/// What has become of the run's cuts.
#[derive(Default)]
pub(super) struct Cuts {
    pub(super) begun: u64,
    /// One is being made.
    pub(super) goes_on: bool,
    /// Every shard had parameters when it began, and nothing goes wrong.
    cannot_fail: bool,
    pub(super) made: u64,
}

#[derive(Clone, Copy, Default)]
pub(super) struct LearnerState {
    starts: u64,
    /// It has ended by itself, and is to be started again.
    pub(super) exited: bool,
}

#[derive(Clone, Default)]
pub(super) struct WorkerState {
    starts: u64,
    /// Gradients that it has computed.
    gradients: u64,
    /// Epoch of the newest weights that it has seen, and the version of each part.
    newest: (u64, Vec<u64>),
    /// Different weights that it has seen.
    pub(super) weights: u64,
}

pub(super) type Shared = Rc<RefCell<World>>;

impl World {
    pub(super) fn new(scenario: Scenario) -> Self {
        Self {
            invariants: Invariants::new(&scenario),
            epoch: 0,
            disk: None,
            cuts: Cuts::default(),
            learners: vec![LearnerState::default(); scenario.shards()],
            shard_lives: 0,
            workers: vec![WorkerState::default(); scenario.workers.len()],
            scenario,
        }
    }

    /// A learner's process starts; gives how long it takes to.
    pub(super) fn start_learner(&mut self, shard: usize) -> Duration {
        let state = &mut self.learners[shard];
        state.starts += 1;
        match state.starts {
            1 => Duration::ZERO,
            _ => self.scenario.restart_pause,
        }
    }

    /// The lead begins a cut.
    pub(super) fn begin_cut(&mut self) {
        self.cuts.begun += 1;
        self.cuts.goes_on = true;
        let has_weights = self.workers.iter().any(|worker| worker.weights > 0);
        self.cuts.cannot_fail = has_weights && self.scenario.is_quiet();
    }

    /// It is done with it.
    pub(super) fn end_cut(
        &mut self,
        cut: Result<Option<Checkpoint>, CutFailed>,
    ) -> Result<(), String> {
        self.cuts.goes_on = false;
        let number = self.cuts.begun;
        match cut {
            Ok(Some(checkpoint)) => {
                let (epoch, version) = (checkpoint.state.epoch, checkpoint.state.version);
                tracing::info!(number, epoch, version, "cut made");
                if epoch != self.epoch {
                    let expected = self.epoch;
                    return Err(format!("a cut is of epoch {epoch}; expected {expected}"));
                }
                let checkpoint = Rc::new(checkpoint);
                self.invariants.cut(Rc::clone(&checkpoint));
                self.disk = Some(checkpoint);
                self.cuts.made += 1;
            }
            Ok(None) => {}
            Err(error) if self.cuts.cannot_fail => {
                return Err(format!("nothing went wrong, and there is no cut: {error}"));
            }
            Err(error) => tracing::info!(number, %error, "cut failed"),
        }
        Ok(())
    }

    fn see(&mut self, worker: usize, weights: &Weights) {
        let versions = self.invariants.versions(weights);
        let (lead, epoch) = (weights.version, weights.epoch);
        assert_eq!(
            versions[0], lead,
            "the lead's part of worker {worker}'s weights"
        );
        let state = &mut self.workers[worker];
        let (newest, before) = &state.newest;
        let is_back = |(now, before): (&u64, &u64)| now < before;
        let went_back = epoch == *newest && versions.iter().zip(before).any(is_back);
        assert!(
            epoch >= *newest && !went_back,
            "worker {worker} got epoch {epoch}, versions {versions:?} after {:?}",
            state.newest
        );
        let now = (epoch, versions);
        if state.newest != now {
            state.weights += 1;
            tracing::debug!(worker, epoch, versions = ?now.1, "new weights");
        }
        state.newest = now;
    }
}

impl Surroundings for Shared {
    fn start(&self, worker: usize) -> Start {
        let world = &mut *self.borrow_mut();
        let state = &mut world.workers[worker];
        state.starts += 1;
        let scenario = &world.scenario;
        Start {
            plan: scenario.workers[worker],
            is_first: state.starts == 1,
            seed: scenario.seed ^ ((worker as u64 + 1) << 32) ^ (state.starts << 48),
            learner: shard_name(0),
            experiment: scenario.experiment.clone(),
            elements: elements(scenario.workers.len(), scenario.shards()),
        }
    }

    fn see(&self, worker: usize, weights: &Weights) {
        self.borrow_mut().see(worker, weights);
    }

    fn next_gradient(&self, worker: usize, weights: &Weights) -> (u64, Vec<f32>) {
        let world = &mut *self.borrow_mut();
        let state = &mut world.workers[worker];
        state.gradients += 1;
        let number = state.gradients;
        let made = Made { worker, number };
        world.invariants.send(made, weights);
        let scenario = &world.scenario;
        let values = gradient(made, scenario.workers.len(), scenario.shards());
        (number, values)
    }

    fn silent_until(&self, worker: usize, now: Duration) -> Option<Duration> {
        let world = self.borrow();
        let mut faults = world.scenario.faults.iter();
        faults.find_map(|fault| fault.silences(worker, now))
    }
}
