//! A run over the network whose replay, trainer, actor and learner are killed by turns, and started again by a supervisor that
//! knows nothing of the run.

use std::path::Path;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use troop_tests::{Endpoint, ReservedPort, Scratch, Signal, serial};

use crate::seeds::variable;
use crate::site::{ENDLESS, within};
use crate::supervised::{Reached, Supervised, is_solved, newest};

/// Kills of the short form: each process once.
const FEW: u64 = 4;

/// One is killed so long after a checkpoint at most, in microseconds.
const LONGEST_US: u64 = 1_500_000;

/// All of them are back, and there is a new checkpoint, within this time, also on a machine that does other things.
const BACK: Duration = Duration::from_secs(120);

/// Learning takes some seconds, and longer there.
const LEARNT: Duration = Duration::from_secs(400);

/// Env steps that are counted on both sides of a run that nobody disturbs.
const UNDISTURBED: u64 = 5_000;

#[test]
fn ape_x_goes_on_whoever_is_killed_and_ends_solved() {
    // The run has no end that the learning rate could fall to; at the preset's it may unlearn for minutes.
    campaign("cartpole-ape-x --set optimizer.learning_rate=3e-4");
}

#[test]
fn impala_goes_on_whoever_is_killed_and_ends_solved() {
    campaign("cartpole-impala --set topology.trainers=1");
}

fn campaign(preset: &str) {
    let _serial = serial();
    let kills = variable("TROOP_CAMPAIGN_KILLS").unwrap_or(FEW);
    let seed = variable("TROOP_CAMPAIGN_SEED").unwrap_or(1);
    println!("{preset}: {kills} kills, TROOP_CAMPAIGN_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scratch = Scratch::new();
    let mut run = Run::start(&scratch, preset);
    for kill in 0..kills {
        let reached = run.wait_for_progress();
        std::thread::sleep(Duration::from_micros(rng.random_range(0..LONGEST_US)));
        let number = (kill % run.processes.len() as u64) as usize;
        run.processes[number].kill();
        run.wait_until_gone(number);
        assert!(newest(&scratch).version >= reached.version);
    }
    run.wait_for_progress();
    within(LEARNT, "a solved run", || {
        run.look_after();
        let events = scratch.run_files("run").events();
        events.iter().any(is_solved).then_some(())
    });
    run.both_sides_count_alike();
    run.end(kills);
}

/// Places of processes, in the order in which they are killed.
const ACTOR: usize = 2;
const LEARNER: usize = 3;

/// A learner, a replay, a process that trains and one that acts.
struct Run<'a> {
    scratch: &'a Scratch,
    processes: Vec<Supervised<'a>>,
    http: Endpoint,
    _port: ReservedPort,
}

/// What has been counted of those who act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    /// By the learner, as they report.
    reported: u64,
    /// By the replay, as they add.
    added: u64,
}

impl<'a> Run<'a> {
    fn start(scratch: &'a Scratch, preset: &str) -> Self {
        let socket = |name: &str| format!("unix:{}", scratch.path().join(name).display());
        let (at_learner, at_replay) = (socket("learner.sock"), socket("replay.sock"));
        let port = ReservedPort::new();
        let learner = format!(
            "troop-learner --experiment {preset} --run-dir run --resume-or-start --steps {ENDLESS} \
             --listen {at_learner} --http {} --set checkpoint.interval_s=1 --set checkpoint.keep=2 \
             --set learner.drain_timeout_ms=500 --set actor.reconnect_max_ms=200 \
             --set environment.step_sleep_us=200",
            port.address
        );
        let replay = format!("troop-replay --learner {at_learner} --listen {at_replay}");
        let worker =
            |role: &str| format!("troop-actor --learner {at_learner} --workers 1 --role {role}");
        let lines = [replay, worker("train"), worker("act"), learner];
        let start = |line| Supervised::start(scratch, line);
        Self {
            scratch,
            processes: lines.into_iter().map(start).collect(),
            http: Endpoint {
                address: port.address,
            },
            _port: port,
        }
    }

    fn look_after(&mut self) {
        self.processes.iter_mut().for_each(Supervised::look_after);
    }

    /// What the learner says of itself; none while it is away.
    fn status(&self) -> Option<Value> {
        let answer = self.http.try_get("/api/status", &[]).ok()?;
        serde_json::from_str(&answer.body).ok()
    }

    /// Waits until all are there, and a checkpoint has later updates than the last one had.
    fn wait_for_progress(&mut self) -> Reached {
        let before = newest(self.scratch);
        within(BACK, "all to be there, and another checkpoint", || {
            self.look_after();
            let reached = newest(self.scratch);
            assert!(
                reached.version >= before.version,
                "{reached:?} after {before:?}"
            );
            let are_there = self.status().is_some_and(|status| are_there(&status));
            (are_there && reached.version > before.version).then_some(reached)
        })
    }

    /// Nobody counts as there who was just killed, once the learner has noticed.
    fn wait_until_gone(&mut self, number: usize) {
        if number == LEARNER {
            return;
        }
        within(BACK, "the learner to notice", || {
            let status = self.status()?;
            (!are_there(&status)).then_some(())
        });
    }

    /// Lets the actor end well and come again, and end once more: what was counted between is what it did.
    ///
    /// A segment that is held back for longer than its worker waits is lost to the replay. So it is tried more than once.
    fn both_sides_count_alike(&mut self) {
        let mut counted = vec![self.count_without_actor()];
        let is_exact = (0..3).any(|_| {
            let before = counted[counted.len() - 1];
            within(LEARNT, "some env steps", || {
                self.look_after();
                let now = self.reported()?;
                (now >= before.reported + UNDISTURBED).then_some(())
            });
            let after = self.count_without_actor();
            counted.push(after);
            after.reported - before.reported == after.added - before.added
        });
        assert!(is_exact, "{counted:?}");
    }

    fn reported(&self) -> Option<u64> {
        self.status()?["progress"]["env_steps"].as_u64()
    }

    /// Ends the actor, and waits until the replay, which tells once a second, has told of all that it was sent.
    fn count_without_actor(&mut self) -> Counted {
        let actor = &mut self.processes[ACTOR];
        within(BACK, "the actor", || {
            actor.process.is_running().then_some(())
        });
        actor.process.signal(Signal::TERM);
        within(BACK, "the end of the actor", || {
            (!actor.process.is_running()).then_some(())
        });
        let status = within(BACK, "nobody to act", || {
            self.status().filter(|status| !are_there(status))
        });
        // What the replay tells after this it counted after this.
        let told = |status: &Value| status["replays"][0]["seconds_since_counts"].as_f64();
        let mut last = told(&status);
        let mut fresh = 0;
        let status = within(BACK, "the replay to tell", || {
            let status = self.status()?;
            let now = told(&status);
            fresh += u32::from(now < last);
            last = now;
            (fresh == 2).then_some(status)
        });
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{status}"));
        Counted {
            reported: number(&status["progress"]["env_steps"]),
            added: number(&status["replays"][0]["env_steps_inserted"]),
        }
    }

    /// Ends all, the learner first, and looks through what it has left.
    fn end(mut self, kills: u64) {
        let status = self.status().expect("the learner is there");
        while let Some(supervised) = self.processes.pop() {
            let mut process = supervised.process;
            if process.is_running() {
                process.signal(Signal::TERM);
            }
            process.wait().expect_code(0);
        }
        let run = self.scratch.run_files("run");
        let (summary, state) = (run.summary(), run.state());
        let updates = summary["updates"].as_u64().expect("a number");
        assert_eq!(summary["gradients"]["applied"], updates, "{summary}");
        assert_eq!(state["version"], updates, "{summary}");
        assert_eq!(state["counters"]["env_steps"], summary["env_steps"]);
        assert_eq!(
            state["counters"]["env_steps"],
            status["progress"]["env_steps"]
        );
        // The learner is the last of each round.
        let lives = 1 + kills / 4;
        assert_eq!(state["epoch"].as_u64(), Some(lives), "{state}");
        within(BACK, "no process", || {
            let left = processes_in(self.scratch.path());
            left.is_empty().then_some(())
        });
    }
}

/// Whether a learner says that its replay is there, and somebody of each role.
fn are_there(status: &Value) -> bool {
    let sessions = status["sessions"].as_array();
    let has = |role: &str| {
        let mut sessions = sessions.into_iter().flatten();
        sessions.any(|session| session["role"] == role)
    };
    status["replays"][0]["attached"] == true && has("act") && has("train")
}

/// Processes that run in a directory.
fn processes_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes are shown");
    let runs_there = |entry: &std::fs::DirEntry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|found| found == directory)
    };
    let there = entries.flatten().filter(runs_there);
    there
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
