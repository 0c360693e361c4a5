//! Workers that only act beside others that only train, in one process.

use serde_json::Value;
use troop_tests::{Scratch, Signal, serial};

/// Few enough to be quick, enough to see that it learns.
const STEPS: u64 = 60_000;

fn train(scratch: &Scratch, line: &str) -> Value {
    let line = format!("troop train {line} --steps {STEPS} --run-dir run");
    scratch.run(&line).expect_code(0);
    scratch.run_files("run").summary()
}

fn number(summary: &Value, key: &str) -> f64 {
    summary[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {summary}"))
}

#[test]
fn one_side_acts_and_the_other_learns() {
    let _serial = serial();
    let split = "cartpole-impala --set topology.trainers=1";
    for preset in [
        "cartpole-ape-x",
        "cartpole-appo",
        "cartpole-gorila",
        "cartpole-r2d2",
        split,
    ] {
        let scratch = Scratch::new();
        let summary = train(&scratch, preset);
        // Falling over at random takes 22 steps.
        assert!(
            number(&summary, "best_return_mean_100") > 100.0,
            "{preset}: {summary}"
        );
    }
}

#[test]
fn steps_are_counted_by_those_who_act_and_updates_keep_pace_with_them() {
    let _serial = serial();
    let scratch = Scratch::new();
    let summary = train(&scratch, "cartpole-ape-x");
    // Portions of 4 steps of 8 environments: the last of each of two workers may come after the end.
    let steps = number(&summary, "env_steps");
    assert!(
        (STEPS as f64..STEPS as f64 + 64.0).contains(&steps),
        "{summary}"
    );
    // 8 transitions for each env step after the first 2 000, 64 an update, within two portions of each side.
    let expected = (steps - 2_000.0) * 8.0 / 64.0;
    let updates = number(&summary, "updates");
    let band = 2.0 * 256.0 / 64.0 + 4.0;
    assert!(
        (updates - expected).abs() <= band,
        "{updates} updates, {expected} expected"
    );
    assert_eq!(summary["gradients"]["applied"].as_f64(), Some(updates));
}

#[test]
fn nobody_waits_for_gradients_of_those_who_only_act() {
    let _serial = serial();
    for policy in ["synchronous", "bound"] {
        let scratch = Scratch::new();
        let line = format!(
            "cartpole-gorila --workers 3 --set learner.staleness={policy} --set learner.publish.updates=1"
        );
        let summary = train(&scratch, &line);
        assert!(number(&summary, "updates") > 1_000.0, "{policy}: {summary}");
    }
}

#[test]
fn a_signal_ends_it_whoever_waits_and_it_goes_on_later() {
    let _serial = serial();
    let scratch = Scratch::new();
    // Those who train wait: it takes an hour until there is enough to draw.
    let line = "troop train cartpole-ape-x --run-dir run --set environment.step_sleep_us=20000 \
                --set method.replay_start_env_steps=100000";
    let process = scratch.start(line);
    process.wait_for("training");
    process.signal(Signal::TERM);
    process.wait().expect_code(130);
    scratch
        .run(
            "troop train --resume --run-dir run --set environment.step_sleep_us=0 --steps 10000 \
             --set method.replay_start_env_steps=1000",
        )
        .expect_code(0);
    let summary = scratch.run_files("run").summary();
    assert!(number(&summary, "env_steps") >= 10_000.0, "{summary}");
}

#[test]
fn a_method_that_shares_nothing_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --set topology.trainers=1")
        .expect_code(2)
        .expect_text("topology.trainers");
}

#[test]
fn a_learner_of_its_own_refuses_what_runs_in_one_process() {
    let scratch = Scratch::new();
    scratch
        .run("troop-learner --experiment cartpole-ape-x --run-dir run")
        .expect_code(1)
        .expect_text("troop train");
}

#[test]
fn a_replay_that_the_machine_has_no_memory_for_is_refused() {
    let scratch = Scratch::new();
    scratch
        .run(
            "troop train cartpole-ape-x --set topology.replay_bytes=1000000000000000 --run-dir run",
        )
        .expect_code(1)
        .expect_text("`topology.replay_bytes` = 1000000000000000 needs 1000000.0 GB");
}

#[test]
fn a_replay_that_is_too_small_ends_the_run_and_says_how_large_it_has_to_be() {
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole-ape-x --set topology.replay_bytes=1000 --run-dir run")
        .expect_code(1)
        .expect_text("1000 bytes")
        .expect_text("bytes or more");
}
