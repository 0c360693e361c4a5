use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::actor::act;
use super::learner::learner;
use super::replay::replay;
use super::scenario::Scenario;
use super::trainer::train;
use super::world::{Shared, World};
use crate::faults::{Chaos, Fault, FaultKind, HEALED};
use crate::network::{replay_name, worker_name};
use crate::stage::Stage;
use crate::trace::Trace;

/// The learner's host.
pub(super) const LEARNER: &str = "learner";

/// Every wait ends within this time once faults are over, but for what the scenario's pace takes: a writer that is gone keeps its
/// place for 30 s, and the transport's longest limit is 10 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker does before it counts as recovered.
const DONE_AFTER_FAULTS: u64 = 3;

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
        let (seed, latency) = (scenario.seed, scenario.latency);
        let mut stage = Stage::new(seed, latency.0, trace);
        let chaos = Chaos::new(scenario.network(), &scenario.faults, latency, seed);
        let (actors, workers) = (scenario.actors, scenario.workers.len());
        let replays = scenario.replays();
        let world = Rc::new(RefCell::new(World::new(scenario)));
        let shared = Rc::clone(&world);
        stage.sim.host(LEARNER, move || learner(Rc::clone(&shared)));
        for index in 0..replays {
            let shared = Rc::clone(&world);
            let host = move || replay(Rc::clone(&shared), index);
            stage.sim.host(replay_name(index), host);
        }
        for index in 0..workers {
            let shared = Rc::clone(&world);
            match index < actors {
                true => {
                    let host = move || act(Rc::clone(&shared), index);
                    stage.sim.host(worker_name(index), host);
                }
                false => {
                    let host = move || train(Rc::clone(&shared), index);
                    stage.sim.host(worker_name(index), host);
                }
            }
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
        while self.stage.sim.elapsed() < HEALED {
            self.step()?;
        }
        self.chaos.heal(&mut self.stage.sim);
        self.recover()?;
        if self.world.borrow().scenario.is_quiet() {
            self.count_at_rest()?;
        }
        self.let_go()?;
        self.recover()?;
        self.end()
    }

    /// Everybody goes on.
    fn recover(&mut self) -> Result<(), String> {
        let done = |world: &World| -> Vec<u64> {
            world.workers.iter().map(|worker| worker.done).collect()
        };
        let before = done(&self.world.borrow());
        let pace = self.world.borrow().scenario.segment_pace() * DONE_AFTER_FAULTS as u32;
        self.wait_for(PATIENCE + pace, "a worker does not go on", |run| {
            let after = done(&run.world.borrow());
            let mut both = before.iter().zip(&after);
            both.all(|(before, after)| *after >= before + DONE_AFTER_FAULTS)
        })
    }

    /// Those who act leave, with all that they had answered: the learner and the replays have counted the same. But for a last
    /// segment of each, which may have been held back for longer than its worker waits when it leaves.
    fn count_at_rest(&mut self) -> Result<(), String> {
        self.world.borrow_mut().actors_leave = true;
        let actors = self.world.borrow().scenario.actors;
        self.wait("somebody who acts does not leave", |run| {
            (0..actors).all(|index| !run.stage.sim.is_host_running(worker_name(index)))
        })?;
        self.step()?;
        self.world.borrow_mut().actors_leave = false;
        let [handed, counted, added] = self.world.borrow().counted();
        let held_back = {
            let scenario = &self.world.borrow().scenario;
            (scenario.actors * scenario.environments * scenario.env_steps) as u64
        };
        match counted == handed && (handed - held_back.min(handed)..=handed).contains(&added) {
            true => Ok(()),
            false => Err(format!(
                "{handed} env steps were taken, {counted} counted, {added} added"
            )),
        }
    }

    /// All workers are gone: nothing is held for them any more. Then they come again.
    fn let_go(&mut self) -> Result<(), String> {
        let workers = self.world.borrow().workers.len();
        for index in 0..workers {
            self.chaos.crash(index, true, &mut self.stage.sim);
        }
        self.wait("something is held for nobody", |run| {
            run.world.borrow().held_for_nobody().is_none()
        })
        .map_err(|why| format!("{why}: {:?}", self.world.borrow().held_for_nobody()))?;
        for index in 0..workers {
            self.stage.sim.bounce(worker_name(index));
        }
        Ok(())
    }

    /// The run is over, and everybody hears of it.
    fn end(&mut self) -> Result<(), String> {
        let last = self.world.borrow().scenario.last;
        if let Some(last) = last {
            let now = self.stage.sim.elapsed();
            self.chaos.plan(Fault {
                from: now,
                until: now + last.before + last.after,
                kind: FaultKind::Partition(last.link),
            });
            while self.stage.sim.elapsed() < now + last.before {
                self.step()?;
            }
        }
        self.wait("the learner is away", |run| {
            run.world.borrow().server.is_some()
        })?;
        {
            let world = &mut *self.world.borrow_mut();
            world.is_over = true;
            let server = world.server.as_ref().ok_or("the learner is away")?;
            server.finish("enough".into());
        }
        self.wait("somebody does not hear that the run is over", |run| {
            let (workers, replays) = {
                let world = run.world.borrow();
                (world.workers.len(), world.replays.len())
            };
            let workers = (0..workers).map(worker_name);
            let replays = (0..replays).map(replay_name);
            let mut all = workers.chain(replays).chain([LEARNER.into()]);
            all.all(|host| !run.stage.sim.is_host_running(host))
        })
    }

    fn wait(&mut self, otherwise: &str, done: impl FnMut(&mut Self) -> bool) -> Result<(), String> {
        self.wait_for(PATIENCE, otherwise, done)
    }

    fn wait_for(
        &mut self,
        patience: Duration,
        otherwise: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let limit = self.stage.sim.elapsed() + patience;
        while !done(self) {
            if self.stage.sim.elapsed() > limit {
                return Err(format!("{otherwise} within {patience:?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.chaos.at(self.stage.sim.elapsed(), &mut self.stage.sim);
        self.stage.step()?;
        let world = &mut *self.world.borrow_mut();
        if !self.stage.sim.is_host_running(LEARNER) {
            world.server = None;
        }
        for (index, replay) in world.replays.iter_mut().enumerate() {
            if !self.stage.sim.is_host_running(replay_name(index)) {
                *replay = None;
            }
        }
        world.check()
    }
}
