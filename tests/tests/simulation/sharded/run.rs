use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::lead::lead;
use super::scenario::Scenario;
use super::shard::shard;
use super::world::{Shared, World};
use crate::faults::{Chaos, Fault, HEALED};
use crate::network::{shard_name, worker_name};
use crate::stage::Stage;
use crate::trace::Trace;
use crate::worker::work;

/// After the last fault every worker gets new weights, and a cut is made, within this time: who waits in a cut gives it
/// up after 20 s, and the transport's longest limit is 10 s.
const RECOVERY: Duration = Duration::from_secs(60);

/// Different weights that a worker sees before it counts as recovered.
const WEIGHTS_AFTER_FAULTS: u64 = 3;

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
    /// The cut that is being made, and since when.
    cut: Option<(u64, Duration)>,
}

impl Run<'_> {
    fn new(scenario: Scenario, trace: Trace) -> Self {
        let (seed, latency) = (scenario.seed, scenario.latency);
        let mut stage = Stage::new(seed, latency.0, trace);
        let chaos = Chaos::new(scenario.network(), &scenario.faults, latency, seed);
        let (workers, shards) = (scenario.workers.len(), scenario.shards());
        let world = Rc::new(RefCell::new(World::new(scenario)));
        let shared = Rc::clone(&world);
        let host = move || lead(Rc::clone(&shared));
        stage.sim.host(shard_name(0), host);
        for index in 1..shards {
            let shared = Rc::clone(&world);
            let host = move || shard(Rc::clone(&shared), index);
            stage.sim.host(shard_name(index), host);
        }
        for index in 0..workers {
            let shared = Rc::clone(&world);
            let host = move || work(Rc::clone(&shared), index);
            stage.sim.host(worker_name(index), host);
        }
        Self {
            stage,
            chaos,
            world,
            cut: None,
        }
    }

    fn run(mut self) -> Result<Vec<String>, String> {
        let result = self.run_to_end();
        let scenario = &self.world.borrow().scenario;
        result.map_err(|error| self.stage.explain(&error, scenario))?;
        Ok(self.stage.into_lines())
    }

    fn run_to_end(&mut self) -> Result<(), String> {
        while self.stage.sim.elapsed() < HEALED {
            let now = self.stage.sim.elapsed();
            self.ambush(now);
            self.chaos.at(now, &mut self.stage.sim);
            self.step()?;
        }
        self.chaos.heal(&mut self.stage.sim);
        self.recover()?;
        let workers = self.world.borrow().workers.len();
        for index in 0..workers {
            self.chaos.crash(index, true, &mut self.stage.sim);
        }
        self.wait("the memory of gradients does not come back", |world| {
            let bytes = world.invariants.bytes_in_flight();
            world.invariants.are_all_there() && bytes.iter().all(|bytes| *bytes == 0)
        })
    }

    /// Has faults happen in the middle of the cut that is being made.
    fn ambush(&mut self, now: Duration) {
        let world = self.world.borrow();
        let number = world.cuts.goes_on.then_some(world.cuts.begun);
        self.cut = number.map(|number| match self.cut {
            Some((same, since)) if same == number => (number, since),
            _ => (number, now),
        });
        let Some((number, since)) = self.cut else {
            return;
        };
        let ambushes = world.scenario.ambushes.iter();
        for ambush in ambushes.filter(|it| it.cut == number && since + it.after == now) {
            let kind = ambush.kind;
            tracing::info!(number, ?kind, "fault in a cut");
            self.chaos.plan(Fault {
                from: now,
                until: (now + ambush.lasts).min(HEALED),
                kind,
            });
        }
    }

    fn recover(&mut self) -> Result<(), String> {
        let seen = |world: &World| -> Vec<u64> {
            world.workers.iter().map(|worker| worker.weights).collect()
        };
        let (before, cuts) = {
            let world = self.world.borrow();
            (seen(&world), world.cuts.made)
        };
        self.wait("a worker gets no new weights", |world| {
            let after = seen(world);
            let mut both = before.iter().zip(&after);
            both.all(|(before, after)| *after >= before + WEIGHTS_AFTER_FAULTS)
        })?;
        self.wait("no cut is made", |world| world.cuts.made > cuts)
    }

    fn wait(&mut self, otherwise: &str, done: impl Fn(&World) -> bool) -> Result<(), String> {
        let limit = HEALED + RECOVERY;
        while !done(&self.world.borrow()) {
            if self.stage.sim.elapsed() > limit {
                return Err(format!("{otherwise} within {RECOVERY:?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.stage.step()?;
        for shard in self.exited() {
            self.stage.sim.bounce(shard_name(shard));
        }
        self.world.borrow_mut().invariants.check()
    }

    /// Notes who is gone; gives those that have ended by themselves and are to be started again.
    fn exited(&mut self) -> Vec<usize> {
        let world = &mut *self.world.borrow_mut();
        let mut exited = Vec::new();
        for shard in 0..world.learners.len() {
            if self.stage.sim.is_host_running(shard_name(shard)) {
                continue;
            }
            world.invariants.gone(shard);
            if std::mem::take(&mut world.learners[shard].exited) {
                exited.push(shard);
            }
        }
        exited
    }
}
