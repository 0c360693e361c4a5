//! Runs that were interrupted, have finished, or were damaged, and how they go on.

use std::fs;
use std::path::Path;

use serde_json::Value;
use troop_learner::checkpoint::Checkpoint;
use troop_tests::{Endpoint, Finished, Learner, Process, Scratch, Signal, poll_until, serial};

/// More than any machine does before a test interrupts it.
const ENDLESS: u64 = 20_000_000;

#[test]
fn ctrl_c_leaves_a_checkpoint_and_resume_goes_on_from_there() {
    let _serial = serial();
    let scratch = Scratch::new();
    let rate = 0.002;
    let options = format!("--workers 1 --steps {ENDLESS} --set optimizer.learning_rate={rate}");
    let process = scratch.start(&format!("troop train cartpole {options} --run-dir run"));
    let http = http(&process);
    wait_for_steps(http, ENDLESS / 50);
    interrupt(process);
    let run = scratch.run_files("run");
    let first = run.state();
    assert_eq!(first["epoch"], 1);
    assert_eq!(steps(&run.summary()), steps(&first["counters"]));

    let process = scratch.start("troop train --run-dir run --resume");
    let http = self::http(&process);
    let began_at = steps(&first["counters"]);
    assert_eq!(http.status()["epoch"], 2);
    assert!(steps(&http.status()["progress"]) >= began_at);
    check_learning_rate(http, rate, began_at);
    wait_for_steps(http, began_at + ENDLESS / 100);
    interrupt(process);
    let second = run.state();
    assert_eq!(second["epoch"], 2);
    for counter in ["env_steps", "frames", "episodes", "updates", "wall_seconds"] {
        let of = |state: &Value| state["counters"][counter].as_f64().unwrap();
        assert!(of(&second) > of(&first), "{counter}: {first} {second}");
    }
}

#[test]
fn a_finished_run_says_so_and_goes_on_with_more_steps() {
    let _serial = serial();
    let scratch = Scratch::new();
    let run = scratch.run_files("run");
    let weights = || run.checkpoint_file("weights.safetensors");
    train(&scratch, "cartpole --steps 20000 --run-dir run");
    let first = weights();
    train(&scratch, "--run-dir run --resume")
        .expect_text("nothing left to train: all 20000 env steps are done");
    scratch
        .run("troop-learner --run-dir run --resume")
        .expect_code(0)
        .expect_text("all 20000 env steps are done");
    assert!(weights() == first, "there was nothing to train");
    train(&scratch, "cartpole --run-dir run --resume --steps 40000");
    assert!(weights() != first, "there was something to train");
    assert!(steps(&run.summary()) >= 40_000);
    assert!(
        run.text("experiment.toml")
            .contains("total_env_steps = 40000")
    );
}

#[test]
fn a_service_starts_its_run_once_and_then_goes_on_with_it() {
    let _serial = serial();
    let scratch = Scratch::new();
    let service = "--run-dir runs/service --resume-or-start";
    let lives: Vec<Value> = (0..2)
        .map(|_| {
            let line = format!("--experiment cartpole --steps {ENDLESS} {service}");
            let learner = Learner::start(&scratch, &line);
            let status = learner.http.status();
            learner.process.signal(Signal::TERM);
            learner.process.wait().expect_code(0);
            status
        })
        .collect();
    assert_eq!(
        (&lives[0]["epoch"], &lives[1]["epoch"]),
        (&1.into(), &2.into())
    );
    scratch
        .run(&format!(
            "troop-learner --experiment cartpole-nstepq {service}"
        ))
        .expect_code(2)
        .expect_text("holds a run of `cartpole`, expected `cartpole-nstepq`");
}

#[test]
fn the_optimisers_state_and_the_target_network_survive() {
    let _serial = serial();
    let scratch = Scratch::new();
    let never_synced = "--set method.target_sync={updates=1000000}";
    let options = format!("--workers 1 --steps 20000 {never_synced} --run-dir run");
    train(&scratch, &format!("cartpole-nstepq {options}"));
    let before = newest(&scratch);
    // With this decay the moving average hardly moves any more: it stays what it was, or near 0
    // where it began anew.
    let options = "--steps 30000 --set optimizer.decay=0.9999999";
    train(&scratch, &format!("--run-dir run --resume {options}"));
    let after = newest(&scratch);
    assert!(after.state.version > before.state.version);
    assert_ne!(after.parameters, before.parameters);
    assert_eq!(after.target, before.target);
    assert_eq!(after.state.target_taken_at_version, Some(0));
    let (name, first) = before.optimizer.first_key_value().unwrap();
    let kept = first.iter().zip(&after.optimizer[name]);
    let largest = first.iter().copied().fold(0.0, f32::max);
    assert!(largest > 0.0, "{name} is all zeros");
    for (first, second) in kept.filter(|(first, _)| **first > 1e-3 * largest) {
        assert!(
            (0.9..1.1).contains(&(second / first)),
            "{name}: {first} became {second}"
        );
    }
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over() {
    let _serial = serial();
    let scratch = Scratch::new();
    let checkpoints = with_two_checkpoints(&scratch);
    damage(&checkpoints[1]);
    let evaluation = scratch
        .run("troop evaluate run --episodes 1 --json")
        .expect_code(0)
        .expect_text("passing over a checkpoint")
        .json();
    assert_eq!(evaluation["version"], version(&checkpoints[0]));
    train(&scratch, "--run-dir run --resume --steps 60000")
        .expect_text("passing over a checkpoint")
        .expect_text("SHA-256");
    let run = scratch.run_files("run");
    assert_eq!(run.state()["epoch"], 3);
    assert!(steps(&run.state()["counters"]) >= 60_000);
}

#[test]
fn where_every_checkpoint_is_damaged_nothing_is_trained_and_nothing_lost() {
    let _serial = serial();
    let scratch = Scratch::new();
    let checkpoints = with_two_checkpoints(&scratch);
    checkpoints.iter().for_each(|checkpoint| damage(checkpoint));
    for line in [
        "troop train --run-dir run --resume --steps 60000",
        "troop-learner --run-dir run --resume --steps 60000",
        "troop evaluate run",
    ] {
        scratch
            .run(line)
            .expect_code(1)
            .expect_text("none of the 2 checkpoints in run/checkpoints can be read");
    }
    assert_eq!(scratch.run_files("run").checkpoints(), checkpoints);
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = format!("--steps {ENDLESS} --set checkpoint.interval_s=1");
    let process = scratch.start(&format!("troop train cartpole {options} --run-dir run"));
    let run = scratch.run_files("run");
    poll_until("a checkpoint", || run.checkpoints().pop());
    process.kill();
    let kept = steps(&run.state()["counters"]);
    let more = kept + 20_000;
    train(&scratch, &format!("--run-dir run --resume --steps {more}"));
    assert_eq!(run.state()["epoch"], 2);
    assert!(steps(&run.summary()) >= more);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_anew_in_another_epoch() {
    let _serial = serial();
    let scratch = Scratch::new();
    let process = scratch.start(&format!(
        "troop train cartpole --steps {ENDLESS} --run-dir run"
    ));
    wait_for_steps(http(&process), 1);
    process.kill();
    let run = scratch.run_files("run");
    assert!(run.checkpoints().is_empty(), "it is too early for one");
    train(&scratch, "--run-dir run --resume --steps 20000");
    assert_eq!(run.state()["epoch"], 2);
}

#[test]
fn a_refused_resume_says_what_differs_and_leaves_the_run_as_it_was() {
    let _serial = serial();
    let scratch = Scratch::new();
    train(&scratch, "cartpole --steps 20000 --run-dir run");
    let before = scratch.run_files("run").text("experiment.toml");
    let refused = [
        (
            "model.hidden=[8]",
            2,
            "`model.hidden` is [64, 64] in the run, [8] was asked for",
        ),
        (
            "environment.id=Acrobot-v1",
            2,
            "`environment.id` is \"CartPole-v1\" in the run",
        ),
        (
            "method.name=n_step_q",
            2,
            "`method.name` is \"a3c\" in the run",
        ),
        (
            "optimizer.name=adam",
            1,
            "the checkpoint has no optimiser state",
        ),
        (
            "environment.normalize_observations=true",
            1,
            "environment.normalize_observations = false",
        ),
    ];
    for (change, code, reason) in refused {
        for program in ["troop train", "troop-learner"] {
            let line = format!("{program} --run-dir run --resume --steps 40000 --set {change}");
            scratch.run(&line).expect_code(code).expect_text(reason);
        }
    }
    assert_eq!(scratch.run_files("run").text("experiment.toml"), before);
    scratch
        .run("troop evaluate run --episodes 1")
        .expect_code(0);
    train(&scratch, "--run-dir run --resume --steps 30000");
    let after = scratch.run_files("run").text("experiment.toml");
    assert!(after.contains("total_env_steps = 30000"), "{after}");
}

#[test]
fn a_start_that_was_killed_anywhere_can_be_started_again() {
    let _serial = serial();
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("run")).unwrap();
    let service = "--experiment cartpole --run-dir run --resume-or-start";
    for delay in 0..12 {
        let process = scratch.start(&format!("troop-learner {service}"));
        std::thread::sleep(std::time::Duration::from_millis(delay));
        process.kill();
    }
    let learner = Learner::start(&scratch, service);
    assert_eq!(learner.http.get("/healthz").body, "ok\n");
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
}

#[test]
fn a_checkpoint_that_fails_shows_and_is_tried_again() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = format!("--steps {ENDLESS} --run-dir run --set checkpoint.interval_s=1");
    let process = scratch.start(&format!("troop train cartpole {options}"));
    let http = http(&process);
    // What is no directory takes no checkpoint, from root neither.
    scratch.write("run/checkpoints", "");
    let health = |wanted: &str| http.get("/healthz").body.contains(wanted).then_some(());
    poll_until("a failed checkpoint", || {
        health("the last checkpoint could not be written: ")
    });
    let failing = || http.metrics().value("troop_learner_checkpoint_failing");
    assert_eq!(failing(), 1.0);
    fs::remove_file(scratch.path().join("run/checkpoints")).unwrap();
    poll_until("a checkpoint", || {
        scratch.run_files("run").checkpoints().pop()
    });
    poll_until("its health", || {
        (http.get("/healthz").body == "ok\n").then_some(())
    });
    assert_eq!(failing(), 0.0);
    interrupt(process);
}

#[test]
fn a_run_whose_workers_failed_says_so_in_its_summary() {
    let _serial = serial();
    let scratch = Scratch::new();
    let environment = "--set environment.host=gymnasium --set environment.id=NoSuchGame-v7";
    let options = format!(
        "{environment} --set environment.python={}",
        troop_tests::python().display()
    );
    scratch
        .run(&format!("troop train cartpole {options} --run-dir run"))
        .expect_code(1);
    let summary = scratch.run_files("run").summary();
    assert_eq!(summary["finished"], false);
    let failure = summary["failure"].as_str().unwrap();
    assert!(failure.contains("NoSuchGame"), "{failure}");
}

/// `troop train` to its end.
fn train(scratch: &Scratch, arguments: &str) -> Finished {
    scratch
        .run(&format!("troop train {arguments}"))
        .expect_code(0)
}

fn http(process: &Process) -> Endpoint {
    let address = process.address_after("http=http://");
    Endpoint { address }
}

fn interrupt(process: Process) {
    process.signal(Signal::INT);
    process.wait().expect_code(130);
}

fn wait_for_steps(http: Endpoint, enough: u64) {
    let look = || (steps(&http.status()["progress"]) >= enough).then_some(());
    poll_until("env steps", look);
}

fn steps(counters: &Value) -> u64 {
    counters["env_steps"].as_u64().unwrap()
}

/// It goes on falling from where it was, rather than from its start.
fn check_learning_rate(http: Endpoint, initial: f64, began_at: u64) {
    let found = poll_until("a learning rate", || {
        let rate = http.metrics().value("troop_learner_learning_rate");
        (rate > 0.0).then_some(rate)
    });
    let rate_at = |steps: u64| initial * (1.0 - steps as f64 / ENDLESS as f64);
    let (highest, lowest) = (
        rate_at(began_at),
        rate_at(steps(&http.status()["progress"])),
    );
    let rounding = 1e-9 * initial;
    let expected = lowest - rounding..highest + rounding;
    assert!(expected.contains(&found), "{found} is not in {expected:?}");
}

fn newest(scratch: &Scratch) -> Checkpoint {
    Checkpoint::read(&scratch.run_files("run").newest_checkpoint()).unwrap()
}

/// A run of two lives.
fn with_two_checkpoints(scratch: &Scratch) -> Vec<std::path::PathBuf> {
    train(scratch, "cartpole --steps 20000 --run-dir run");
    train(scratch, "--run-dir run --resume --steps 40000");
    let checkpoints = scratch.run_files("run").checkpoints();
    assert_eq!(checkpoints.len(), 2);
    checkpoints
}

fn version(checkpoint: &Path) -> u64 {
    let name = checkpoint.file_name().unwrap();
    name.to_str().unwrap().parse().unwrap()
}

/// Turns one bit of the weights.
fn damage(checkpoint: &Path) {
    let path = checkpoint.join("weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}
