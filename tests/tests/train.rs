//! `troop train` and `troop evaluate`: what they do, and what they leave behind.

use serde_json::Value;
use troop_tests::{RunFiles, Scratch, serial};

#[test]
fn cartpole_is_solved_within_its_steps() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --seed 1 --run-dir run --set experiment.stop_when_solved=true")
        .expect_code(0)
        .expect_text("solved after");
    let summary = scratch.run_files("run").summary();
    assert!(
        number(&summary, "best_return_mean_100") >= 475.0,
        "{summary}"
    );
    assert!(number(&summary, "seconds_to_solve") > 0.0, "{summary}");
    assert!(number(&summary, "env_steps_to_solve") < 1e6, "{summary}");
}

#[test]
fn n_step_q_gets_better() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole-nstepq --steps 100000 --run-dir run";
    scratch.run(line).expect_code(0);
    let summary = scratch.run_files("run").summary();
    // Falling over at random takes 22 steps; half of the actions are still drawn at random here.
    assert!(number(&summary, "return_mean_100") > 45.0, "{summary}");
}

#[test]
fn one_worker_and_one_seed_make_the_same_run_to_the_bit() {
    let _serial = serial();
    for preset in [
        "cartpole",
        "cartpole-impala",
        "cartpole-lstm",
        "cartpole-nstepq",
        "cartpole-ppo",
        "cartpole-sarsa",
    ] {
        let scratch = Scratch::new();
        let train = |source: &str, seed: u64, run: &str| {
            let line = format!("troop train {source} --workers 1 --steps 60000 --seed {seed}");
            scratch
                .run(&format!("{line} --run-dir {run}"))
                .expect_code(0);
            scratch.run_files(run)
        };
        let first = train(preset, 7, "first");
        assert_same(&first, &train(preset, 7, "second"));
        let other = train(preset, 8, "other");
        assert_ne!(weights(&first), weights(&other), "{preset}");
    }
}

#[test]
fn synchronous_workers_and_one_seed_make_the_same_run_to_the_bit() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |seed: u64, run: &str| {
        let line = "troop train cartpole --workers 3 --steps 60000 \
                    --set learner.staleness=synchronous --set learner.publish.updates=1";
        scratch
            .run(&format!("{line} --seed {seed} --run-dir {run}"))
            .expect_code(0);
        scratch.run_files(run)
    };
    let first = train(7, "first");
    assert_same(&first, &train(7, "second"));
    assert_ne!(weights(&first), weights(&train(8, "other")));
    let gradients = &first.summary()["gradients"];
    let applied = gradients["applied"].as_u64().unwrap();
    assert_eq!(applied, 3 * first.summary()["updates"].as_u64().unwrap());
}

/// Stale synchronous parallel in one process: a worker takes weights once it is its turn.
#[test]
fn with_a_bound_no_gradient_is_older_than_promised() {
    let _serial = serial();
    let scratch = Scratch::new();
    for bound in [0, 1] {
        let line = "troop train cartpole --workers 4 --steps 100000 --seed 1 --set learner.staleness=bound";
        let run = format!("run-{bound}");
        scratch
            .run(&format!(
                "{line} --set learner.bound_updates={bound} --run-dir {run}"
            ))
            .expect_code(0);
        let summary = scratch.run_files(&run).summary();
        let oldest = summary["staleness_updates"]["max"].as_u64().unwrap();
        assert!(oldest <= (2 * bound + 1) * 3, "s = {bound}: {summary}");
    }
}

/// A2C takes the mean over a segment's B = T·E steps, A3C their sum. Where B is a power of two, the
/// learning rate carries the factor without rounding: θ ← θ − (Bη) · (1/B) Σ. It must not diverge, for a
/// sum overflows before a mean does.
#[test]
fn a2c_with_one_worker_is_a3c_with_one_worker_to_the_bit() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |run: &str, options: &str| {
        let line = "troop train cartpole --workers 1 --steps 60000 --seed 7 \
                    --set environment.envs_per_worker=16 --set method.t_max=8 \
                    --set optimizer.name=sgd --set optimizer.max_gradient_norm=none \
                    --set learner.publish.updates=1";
        scratch
            .run(&format!("{line} --run-dir {run} {options}"))
            .expect_code(0);
        scratch.run_files(run)
    };
    let a2c = train(
        "a2c",
        "--set learner.staleness=synchronous --set method.reduction=mean \
         --set optimizer.learning_rate=0.03125",
    );
    let a3c = train(
        "a3c",
        "--set learner.staleness=accept --set method.reduction=sum \
         --set optimizer.learning_rate=0.000244140625",
    );
    assert!(
        weights(&a2c) == weights(&a3c),
        "the same steps, other weights"
    );
    assert!(a2c.summary()["updates"].as_u64().unwrap() > 400);
}

/// A worker alone with its replay: what it draws, and the states that it stored, are the seed's too.
#[test]
fn a_worker_with_a_replay_of_its_own_makes_the_same_run_to_the_bit() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |seed: u64, run: &str| {
        let line = "troop train cartpole-r2d2 --set topology.trainers=0 --steps 6000";
        scratch
            .run(&format!("{line} --seed {seed} --run-dir {run}"))
            .expect_code(0);
        scratch.run_files(run)
    };
    let first = train(7, "first");
    assert_same(&first, &train(7, "second"));
    assert_ne!(weights(&first), weights(&train(8, "other")));
    // 4 env steps drawn for each after the first 2 000, at most 640 an update, within two portions.
    let updates = number(&first.summary(), "updates");
    assert!(updates >= 4_000.0 * 4.0 / 640.0 - 2.0, "{updates} updates");
}

/// With one worker nobody else's updates come between acting and learning: there is nothing to make up for, whether workers
/// would wait for each other or not.
#[test]
fn ppo_with_one_worker_is_published_ppo_to_the_bit() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |run: &str, options: &str| {
        let line = "troop train cartpole-ppo --workers 1 --steps 20000 --seed 7 \
                    --set method.minibatches=4 --set method.epochs=5";
        scratch
            .run(&format!("{line} --run-dir {run} {options}"))
            .expect_code(0);
        scratch.run_files(run)
    };
    let synchronous = train("synchronous", "--set method.importance_weight_limit=none");
    let limited = train("limited", "--set method.importance_weight_limit=1");
    let asynchronous = train("asynchronous", "--set learner.staleness=accept");
    assert!(
        weights(&synchronous) == weights(&limited),
        "a weight above 1"
    );
    assert!(weights(&synchronous) == weights(&asynchronous));
    // Segments of 32 × 8 steps, each counted once and followed by 4 × 5 gradients; the last may be cut off.
    let summary = synchronous.summary();
    let (env_steps, updates) = (number(&summary, "env_steps"), number(&summary, "updates"));
    assert!((20_000.0..20_256.0).contains(&env_steps), "{summary}");
    let segments = env_steps / 256.0;
    assert!(
        updates > (segments - 1.0) * 20.0 && updates <= segments * 20.0,
        "{summary}"
    );
}

/// Each leaves its segments when it likes; a round has one gradient of each, of whatever epoch.
#[test]
fn synchronous_workers_of_ppo_may_leave_segments() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |run: &str| {
        let line =
            "troop train cartpole-ppo --workers 3 --steps 60000 --seed 7 --set method.max_kl=0.001";
        scratch
            .run(&format!("{line} --run-dir {run}"))
            .expect_code(0);
        scratch.run_files(run)
    };
    let first = train("first");
    let summary = first.summary();
    let segments = number(&summary, "env_steps") / 256.0;
    // Whoever leaves one sends fewer than 20, and the rounds of all three are full.
    let gradients = number(&summary["gradients"], "applied");
    assert!(gradients < segments * 15.0, "{summary}");
    assert_eq!(gradients, 3.0 * number(&summary, "updates"), "{summary}");
    assert_same(&first, &train("second"));
}

#[test]
fn cartpole_is_solved_by_synchronous_workers() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch
        .run(
            "troop train cartpole-a2c --workers 2 --seed 1 --run-dir run \
             --set experiment.stop_when_solved=true",
        )
        .expect_code(0)
        .expect_text("solved after");
}

#[test]
fn the_run_directorys_experiment_makes_the_same_run_again() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = "--workers 1 --steps 30000 --seed 3 --set method.t_max=4 --set model.hidden=[32]";
    scratch
        .run(&format!("troop train cartpole {options} --run-dir first"))
        .expect_code(0);
    scratch
        .run("troop train first/experiment.toml --run-dir second")
        .expect_code(0);
    let (first, second) = (scratch.run_files("first"), scratch.run_files("second"));
    assert_same(&first, &second);
    assert_eq!(
        first.text("experiment.toml"),
        second.text("experiment.toml")
    );
}

#[test]
fn a_run_leaves_its_experiment_checkpoints_events_and_summary() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --steps 50000 --seed 5 --workers 2")
        .expect_code(0)
        .expect_text("summary.json");
    let mut runs = std::fs::read_dir(scratch.path().join("runs")).unwrap();
    let run = runs
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap();
    assert!(run.starts_with("cartpole-5-"), "{run}");
    let files = scratch.run_files(&format!("runs/{run}"));
    assert!(
        files
            .text("experiment.toml")
            .contains("total_env_steps = 50000")
    );
    assert_eq!(files.text("epoch").trim(), "1");
    check_summary(&files.summary());
    let last_point = files.progress().pop().unwrap();
    assert_eq!(last_point["env_steps"], files.summary()["env_steps"]);
    let state = files.state();
    assert_eq!(state["version"], files.summary()["updates"]);
    let name = files.newest_checkpoint();
    let version: u64 = name.file_name().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(state["version"], version);
    for name in [
        "weights.safetensors",
        "optimizer.safetensors",
        "manifest.json",
    ] {
        assert!(!files.checkpoint_file(name).is_empty(), "{name}");
    }
}

#[test]
fn evaluate_takes_a_run_or_a_checkpoint() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --workers 1 --steps 60000 --run-dir run")
        .expect_code(0);
    let newest = scratch.run_files("run").newest_checkpoint();
    let evaluate = |path: &str| {
        let line = format!("troop evaluate {path} --episodes 20 --seed 4 --json");
        scratch.run(&line).expect_code(0).json()
    };
    let (of_run, of_checkpoint) = (evaluate("run"), evaluate(newest.to_str().unwrap()));
    assert_eq!(of_run["return_mean"], of_checkpoint["return_mean"]);
    assert_eq!(of_run["episodes"], 20);
    let summary = scratch.run_files("run").summary();
    assert_eq!(of_run["trained_env_steps"], summary["env_steps"]);
    assert_eq!(of_run["version"], summary["updates"]);
    let (low, mean, high) = (
        number(&of_run, "return_min"),
        number(&of_run, "return_mean"),
        number(&of_run, "return_max"),
    );
    assert!(
        low <= mean && mean <= high && (1.0..=500.0).contains(&low),
        "{of_run}"
    );
    // Each step of CartPole is worth 1.
    assert_eq!(of_run["length_mean"], of_run["return_mean"]);
    scratch
        .run("troop evaluate run --episodes 5 --greedy")
        .expect_code(0)
        .expect_text("over 5 episodes");
}

/// Everything but what a clock tells must be equal.
fn assert_same(first: &RunFiles, second: &RunFiles) {
    assert_eq!(weights(first), weights(second), "weights differ");
    let optimizer = |run: &RunFiles| run.checkpoint_file("optimizer.safetensors");
    assert_eq!(
        optimizer(first),
        optimizer(second),
        "the optimiser's state differs"
    );
    let timeless = |run: &RunFiles| {
        let mut summary = run.summary();
        let fields = summary.as_object_mut().unwrap();
        fields.retain(|name, _| !name.ends_with("seconds") && !name.contains("second"));
        assert!(fields.len() > 10, "{fields:?}");
        summary
    };
    assert_eq!(timeless(first), timeless(second));
}

fn weights(run: &RunFiles) -> Vec<u8> {
    run.checkpoint_file("weights.safetensors")
}

fn check_summary(summary: &Value) {
    assert_eq!(summary["experiment"], "cartpole");
    assert_eq!(summary["seed"], 5);
    assert_eq!(summary["finished"], true);
    assert!(summary["version"].is_string(), "{summary}");
    assert!(number(summary, "env_steps") >= 50_000.0);
    assert_eq!(summary["frames"], summary["env_steps"]);
    for name in [
        "episodes",
        "wall_seconds",
        "env_steps_per_second",
        "updates",
        "updates_per_second",
        "return_mean_100",
        "best_return_mean_100",
    ] {
        assert!(number(summary, name) > 0.0, "{name}: {summary}");
    }
    // 50 000 steps are too few to solve it.
    assert_eq!(summary.get("seconds_to_solve"), Some(&Value::Null));
    let staleness = &summary["staleness_updates"];
    let value = |name| number(staleness, name);
    assert!(
        value("p50") <= value("p99") && value("p99") <= value("max"),
        "{summary}"
    );
    assert!((0.0..=value("max")).contains(&value("mean")), "{summary}");
    assert_eq!(summary["gradients"]["applied"], summary["updates"]);
    assert!(summary["gradients"]["rejected"].is_object(), "{summary}");
}

#[track_caller]
fn number(object: &Value, name: &str) -> f64 {
    let number = object[name].as_f64();
    number.unwrap_or_else(|| panic!("`{name}` is no number in {object}"))
}
