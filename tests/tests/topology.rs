//! Workers that only act beside others that only train: in one process, and each in one of its own.

use serde_json::Value;
use troop_tests::split_run::{self, SplitRun};
use troop_tests::{Learner, Scratch, Signal, poll_until, serial};

/// Few enough to be quick, enough to see that it learns.
const STEPS: u64 = 60_000;

fn train(scratch: &Scratch, line: &str) -> Value {
    train_for(scratch, line, STEPS)
}

fn train_for(scratch: &Scratch, line: &str, steps: u64) -> Value {
    let line = format!("troop train {line} --steps {steps} --run-dir run");
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
        // Six seeds reach 167 by then at the least.
        let summary = train_for(&scratch, preset, 150_000);
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

/// Learner, replay, two that act and one that trains.
#[test]
fn over_the_network_one_side_acts_and_the_other_learns() {
    let _serial = serial();
    for preset in [
        "cartpole-ape-x",
        // Unhurried, so that the run is not over before all have come.
        "cartpole-impala --set topology.trainers=1 --set environment.step_sleep_us=2000",
    ] {
        let run = SplitRun::start(&format!("--experiment {preset} --steps {STEPS}"));
        let workers = ["act", "act", "train"].map(|role| run.worker(role));
        run.learner.process.wait().expect_code(0);
        for process in workers {
            process.wait().expect_code(0);
        }
        run.replay.wait().expect_code(0);
        let summary = run.scratch.run_files("run").summary();
        let steps = number(&summary, "env_steps");
        // Each step once; a report has up to 256, and what comes after the end does not count.
        let expected = STEPS as f64..STEPS as f64 + 256.0;
        assert!(expected.contains(&steps), "{preset}: {summary}");
        assert!(
            number(&summary, "best_return_mean_100") > 100.0,
            "{preset}: {summary}"
        );
    }
}

#[test]
fn a_replay_that_is_killed_begins_with_what_its_journal_holds() {
    let _serial = serial();
    let scratch = Scratch::new();
    // Unhurried, so that the run is not over before the replay is back.
    let slow = "--set environment.step_sleep_us=2000";
    let line = format!("--run-dir run --experiment cartpole-ape-x --steps {STEPS} {slow}");
    let learner = Learner::start(&scratch, &line);
    let replay = || {
        let line = format!("troop-replay --learner {} --journal journal", learner.url);
        let replay = scratch.start(&line);
        replay.wait_for("replay ready");
        replay
    };
    let first = replay();
    let workers = ["act", "train"].map(|role| split_run::worker(&scratch, &learner.url, role));
    let held = || learner.http.status()["replays"][0]["items_held"].as_u64();
    poll_until("something to be held", || {
        (held() > Some(5_000)).then_some(())
    });
    first.kill();
    let second = replay();
    let line = second.wait_for("holds again what its journal holds");
    let items = line.split("items=").nth(1).unwrap();
    let items: u64 = items.split(' ').next().unwrap().parse().unwrap();
    assert!(items > 5_000, "{line}");
    learner.process.wait().expect_code(0);
    for process in workers.into_iter().chain([second]) {
        process.wait().expect_code(0);
    }
}

#[test]
fn a_learner_tells_who_does_what_and_what_its_replay_holds() {
    let _serial = serial();
    let run = SplitRun::start("--experiment cartpole-ape-x --steps 1000000000");
    let _workers = ["act", "train"].map(|role| run.worker(role));
    poll_until("something to be drawn", || {
        let status = run.learner.http.status();
        let replay = &status["replays"][0];
        (replay["items_drawn"].as_u64() > Some(0)).then_some(())
    });
    let status = run.learner.http.status();
    let roles: Vec<&str> = status["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|session| session["role"].as_str())
        .collect();
    assert!(
        roles.contains(&"act") && roles.contains(&"train"),
        "{status}"
    );
    assert_eq!(status["replays"][0]["attached"], true, "{status}");
    let metrics = run.learner.http.metrics();
    assert_eq!(metrics.value("troop_learner_replays"), 1.0);
    for name in [
        "troop_learner_role_sessions{role=\"act\"}",
        "troop_learner_role_sessions{role=\"train\"}",
        "troop_learner_replay_items",
        "troop_learner_replay_env_steps_total",
        "troop_learner_replay_items_drawn_total",
    ] {
        assert!(metrics.value(name) > 0.0, "{name}");
    }
}

#[test]
fn a_role_that_the_experiment_has_no_place_for_is_refused_with_what_to_do() {
    let _serial = serial();
    let scratch = Scratch::new();
    let split = Learner::start(&scratch, "--experiment cartpole-ape-x --run-dir split");
    let bundled = Learner::start(&scratch, "--experiment cartpole --run-dir bundled");
    for (url, role, expected) in [
        (&split.url, "", "--role act or with --role train"),
        (
            &split.url,
            "--role bundled",
            "--role act or with --role train",
        ),
        (&bundled.url, "--role act", "--set topology.trainers=N"),
        (&bundled.url, "--role train", "--set topology.trainers=N"),
    ] {
        let actor = scratch.run(&format!("troop-actor --learner {url} {role}"));
        actor.expect_code(1).expect_text(expected);
    }
    scratch
        .run(&format!("troop-replay --learner {}", bundled.url))
        .expect_code(1)
        .expect_text("the run has no replay");
}

#[test]
fn workers_wait_for_a_replay_and_not_for_ever() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        "--experiment cartpole-ape-x --steps 1000000000 --run-dir run",
    );
    let actor = format!("troop-actor --learner {} --workers 1 --role", learner.url);
    scratch
        .run(&format!("{actor} act --give-up-after-s 1"))
        .expect_code(1)
        .expect_text("replay 0 of 1 is not there");
    let patient = scratch.start(&format!("{actor} act"));
    patient.wait_for("replay 0 of 1 is not there");
    let _replay = split_run::replay(&scratch, &learner.url);
    patient.wait_for("actor joined");
}

#[test]
fn a_replay_that_comes_back_elsewhere_is_found_there() {
    let _serial = serial();
    let options = "--experiment cartpole-ape-x --steps 1000000000 --set actor.reconnect_max_ms=100";
    let SplitRun {
        scratch,
        learner,
        replay,
    } = SplitRun::start(options);
    let workers = ["act", "train"].map(|role| split_run::worker(&scratch, &learner.url, role));
    let drawn = |what: &str| {
        poll_until(what, || {
            let status = learner.http.status();
            let drawn = status["replays"][0]["items_drawn"].as_u64();
            (drawn > Some(0)).then_some(())
        });
    };
    drawn("something to be drawn");
    replay.kill();
    learner.process.wait_for("replay is gone");
    let again = split_run::replay(&scratch, &learner.url);
    poll_until("the replay to begin anew", || {
        let status = learner.http.status();
        (status["replays"][0]["attached"] == true).then_some(())
    });
    drawn("something to be drawn of another life");
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
    for process in workers.into_iter().chain([again]) {
        process.signal(Signal::TERM);
        process.wait().expect_code(0);
    }
}

#[test]
fn who_is_left_without_the_other_half_ends_and_is_told_why() {
    let _serial = serial();
    let options = "--experiment cartpole-ape-x --steps 1000000000 --set actor.give_up_after_s=10";
    let run = SplitRun::start(options);
    let actor = run.worker("act");
    let trainer = run.worker("train");
    poll_until("an update", || {
        (run.learner.http.status()["version"].as_u64() > Some(0)).then_some(())
    });
    trainer.kill();
    run.learner.process.wait_for("no worker is left of a role");
    actor
        .wait()
        .expect_code(1)
        .expect_text("no worker whose role is \"train\" was there for 10 s");
    assert_eq!(run.learner.http.status()["phase"], "running");
}
