//! A run whose workers have roles, and whose processes are killed by turns: learner, replay, trainer, actor. Whoever is killed
//! is started again as a supervisor would; the others find it.

use troop_tests::split_run::{replay, worker};
use troop_tests::{Learner, Process, ReservedPort, Scratch, Signal};

use crate::seeds::variable;
use crate::site::{ENDLESS, within};

/// Kills of the short form: each process once.
const FEW: u64 = 4;

/// Falling over at random takes 22 steps.
const LEARNT: f64 = 100.0;

/// What is left to learn after the last kill.
const REST: u64 = 200_000;

/// Env steps of a report, at most: 8 of 32 environments.
const MOST_REPORTED: u64 = 256;

/// Only what hangs takes longer, on a busy machine too.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

#[test]
fn whoever_is_killed_by_turns_ape_x_learns_and_counts_each_step_once() {
    campaign("cartpole-ape-x");
}

#[test]
fn whoever_is_killed_by_turns_impala_learns_and_counts_each_step_once() {
    campaign("cartpole-impala --set topology.trainers=1");
}

fn campaign(preset: &str) {
    let kills = variable("TROOP_CAMPAIGN_KILLS").unwrap_or(FEW);
    println!("{preset}: {kills} kills");
    let mut run = Run::start(preset);
    for turn in 0..kills {
        run.must_learn(&format!("before kill {turn}"));
        match turn % 4 {
            0 => run.kill_learner(),
            1 => run.kill_replay(),
            2 => run.kill_worker(2),
            _ => run.kill_worker((turn as usize / 4) % 2),
        }
    }
    run.must_learn("after the last kill");
    run.end();
}

/// Learner, replay, two that act and one that trains.
struct Run {
    scratch: Scratch,
    port: ReservedPort,
    preset: String,
    learner: Option<Learner>,
    replay: Option<Process>,
    workers: Vec<Process>,
}

const ROLES: [&str; 3] = ["act", "act", "train"];

impl Run {
    fn start(preset: &str) -> Self {
        let mut run = Self {
            scratch: Scratch::new(),
            port: ReservedPort::new(),
            preset: preset.into(),
            learner: None,
            replay: None,
            workers: Vec::new(),
        };
        run.learner = Some(run.life(ENDLESS));
        let url = run.url();
        run.replay = Some(replay(&run.scratch, &url));
        run.workers = ROLES.map(|role| worker(&run.scratch, &url, role)).into();
        run
    }

    fn url(&self) -> String {
        format!("http://{}", self.port.address)
    }

    /// A life of the learner that ends after so many env steps.
    fn life(&self, steps: u64) -> Learner {
        let (preset, address) = (&self.preset, self.port.address);
        Learner::start(
            &self.scratch,
            &format!(
                "--experiment {preset} --run-dir run --resume-or-start --listen {address} --steps {steps} \
                 --set checkpoint.interval_s=1 --set actor.reconnect_max_ms=200"
            ),
        )
    }

    fn learner(&self) -> &Learner {
        self.learner.as_ref().expect("it runs")
    }

    fn status(&self, key: &str) -> u64 {
        let status = self.learner().http.status();
        let found = status.pointer(key).and_then(serde_json::Value::as_u64);
        found.unwrap_or_else(|| panic!("no {key} in {status}"))
    }

    /// Steps and updates go on.
    fn must_learn(&self, when: &str) {
        for key in ["/version", "/progress/env_steps"] {
            let before = self.status(key);
            within(LIMIT, &format!("{when}: more of {key}"), || {
                (self.status(key) > before).then_some(())
            });
        }
    }

    fn kill_learner(&mut self) {
        let learner = self.learner.take().expect("it runs");
        learner.process.kill();
        self.learner = Some(self.life(ENDLESS));
    }

    fn kill_replay(&mut self) {
        self.replay.take().expect("it runs").kill();
        self.replay = Some(replay(&self.scratch, &self.url()));
    }

    fn kill_worker(&mut self, index: usize) {
        self.workers.remove(index).kill();
        let again = worker(&self.scratch, &self.url(), ROLES[index]);
        self.workers.insert(index, again);
    }

    /// The last life: what is left to learn, and everybody ends well.
    fn end(mut self) {
        within(LIMIT, "everybody's session", || {
            let status = self.learner().http.status();
            let sessions = status["sessions"].as_array().map(Vec::len);
            (sessions == Some(ROLES.len())).then_some(())
        });
        let learner = self.learner.take().expect("it runs");
        learner.process.signal(Signal::TERM);
        learner.process.wait().expect_code(0);
        let counted = |run: &Self| {
            let summary = run.scratch.run_files("run").summary();
            summary["env_steps"].as_u64().expect("a number")
        };
        let before = counted(&self);
        let steps = before + REST;
        self.life(steps).process.wait().expect_code(0);
        for process in self.workers.drain(..).chain(self.replay.take()) {
            process.wait().expect_code(0);
        }
        let after = counted(&self);
        assert!(
            (steps..steps + MOST_REPORTED).contains(&after),
            "{after} env steps, {steps} expected"
        );
        let summary = self.scratch.run_files("run").summary();
        let best = summary["best_return_mean_100"].as_f64().expect("a number");
        assert!(best > LEARNT, "{summary}");
    }
}
