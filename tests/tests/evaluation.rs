//! Evaluations beside a training run, in one process and over the network.

use serde_json::Value;
use troop_tests::{Endpoint, Learner, Process, Scratch, Signal, poll_until, serial};

const EVERY: &str = "--set experiment.evaluate.every_env_steps=10000";

fn weights(scratch: &Scratch, run: &str) -> Vec<u8> {
    scratch
        .run_files(run)
        .checkpoint_file("weights.safetensors")
}

fn evaluations(scratch: &Scratch, run: &str) -> Vec<Value> {
    let events = scratch.run_files(run).events();
    let evaluated = events
        .into_iter()
        .filter(|event| event["message"] == "evaluated");
    evaluated.collect()
}

#[test]
fn one_workers_training_is_the_same_with_and_without() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole --workers 1 --steps 40000";
    scratch
        .run(&format!("{line} --run-dir without"))
        .expect_code(0);
    scratch
        .run(&format!("{line} {EVERY} --run-dir with"))
        .expect_code(0)
        .expect_text("evaluated");
    assert_eq!(weights(&scratch, "without"), weights(&scratch, "with"));
    let (without, with) = ("without", "with");
    let summary = |run| scratch.run_files(run).summary();
    for key in ["env_steps", "episodes", "updates", "return_mean_100"] {
        assert_eq!(summary(without)[key], summary(with)[key], "{key}");
    }
    assert_eq!(summary(without)["last_evaluation"], Value::Null);
    assert!(evaluations(&scratch, without).is_empty());
}

#[test]
fn every_place_shows_what_was_evaluated_and_the_last_is_of_the_end() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole --workers 1 --steps 40000 --run-dir run";
    scratch.run(&format!("{line} {EVERY}")).expect_code(0);
    let run = scratch.run_files("run");
    let summary = run.summary();
    let last = &summary["last_evaluation"];
    assert_eq!(last["env_steps"], summary["env_steps"]);
    assert_eq!(last["version"], summary["updates"]);
    assert_eq!(last["episodes"], 10);
    let events = evaluations(&scratch, "run");
    assert_eq!(summary["evaluations"], events.len());
    let newest = &events.last().unwrap()["fields"];
    assert_eq!(newest["return_mean"], last["return_mean"]);
    let progress = run.progress();
    assert_eq!(progress.last().unwrap()["evaluation"], *last);
    // The same weights fare the same by hand: CartPole's greedy returns are between 5 and 500.
    let mean = last["return_mean"].as_f64().unwrap();
    assert!((5.0..=500.0).contains(&mean), "{last}");
}

#[test]
fn the_task_is_solved_by_evaluations_where_they_decide() {
    let _serial = serial();
    let scratch = Scratch::new();
    let settings = [
        "experiment.solved_by=evaluation",
        "experiment.stop_when_solved=true",
        "experiment.solve_return=1",
    ];
    let settings = settings.map(|setting| format!(" --set {setting}")).concat();
    let line = "troop train cartpole --workers 1 --steps 100000000 --run-dir run";
    scratch
        .run(&format!("{line} {EVERY}{settings}"))
        .expect_code(0);
    let summary = scratch.run_files("run").summary();
    // Training alone would have been enough after a hundred episodes, some 2 000 env steps.
    assert!(
        summary["env_steps_to_solve"].as_u64() >= Some(10_000),
        "{summary}"
    );
    scratch
        .run("troop train cartpole --set experiment.solved_by=evaluation")
        .expect_code(2)
        .expect_text("experiment.evaluate.every_env_steps");
}

#[test]
fn a_signal_ends_it_without_a_last_evaluation_and_a_resume_goes_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole --steps 1000000000 --run-dir run";
    let process = scratch.start(&format!("{line} {EVERY}"));
    let http = Endpoint {
        address: process.address_after("http=http://"),
    };
    poll_until("an evaluation", || {
        let status = http.status();
        (status["progress"]["evaluations"].as_u64() > Some(0)).then_some(())
    });
    let metrics = http.get("/metrics").body;
    assert!(
        metrics.contains("troop_learner_evaluation_return_mean "),
        "{metrics}"
    );
    process.signal(Signal::INT);
    process.wait().expect_code(130);
    let before = scratch.run_files("run").summary();
    let steps = before["env_steps"].as_u64().unwrap() + 20_000;
    scratch
        .run(&format!(
            "troop train --resume --run-dir run --steps {steps}"
        ))
        .expect_code(0);
    let after = scratch.run_files("run").summary();
    assert!(after["evaluations"].as_u64() > before["evaluations"].as_u64());
    assert_eq!(after["last_evaluation"]["env_steps"], after["env_steps"]);
}

#[test]
fn over_the_network_an_actor_of_its_own_evaluates() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        &format!("--experiment cartpole --run-dir run --steps 1000000000 {EVERY}"),
    );
    let url = &learner.url;
    let _acting = scratch.start(&format!("troop-actor --learner {url} --workers 1"));
    let evaluating = scratch.start(&format!("troop-actor --learner {url} --role evaluate"));
    poll_until("an evaluation", || {
        (!evaluations(&scratch, "run").is_empty()).then_some(())
    });
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
    evaluating.signal(Signal::TERM);
    evaluating.wait().expect_code(0);
    let summary = scratch.run_files("run").summary();
    assert!(summary["evaluations"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn over_the_network_the_weights_that_the_run_ended_with_are_evaluated() {
    let _serial = serial();
    for shards in [1, 2] {
        let scratch = Scratch::new();
        let line = format!(
            "--experiment cartpole --run-dir run --steps 40000 {EVERY} --set learner.shards={shards} \
             --set learner.publish.interval_ms=1000"
        );
        let learner = Learner::start(&scratch, &line);
        let url = &learner.url;
        let mut others: Vec<Process> = (1..shards)
            .map(|shard| scratch.start(&format!("troop-learner --shard {shard} --lead {url}")))
            .collect();
        let evaluating = scratch.start(&format!("troop-actor --learner {url} --role evaluate"));
        evaluating.wait_for("actor joined");
        others.push(evaluating);
        others.push(scratch.start(&format!("troop-actor --learner {url} --workers 1")));
        learner.process.wait().expect_code(0);
        for process in others {
            process.wait().expect_code(0);
        }
        let summary = scratch.run_files("run").summary();
        let last = &summary["last_evaluation"];
        assert_eq!(last["version"], summary["updates"], "{summary}");
        assert_eq!(last["env_steps"], summary["env_steps"], "{summary}");
    }
}

#[test]
fn who_evaluates_where_nothing_is_to_be_evaluated_is_told_what_to_do() {
    let scratch = Scratch::new();
    let learner = Learner::start(&scratch, "--experiment cartpole --run-dir run");
    scratch
        .run(&format!(
            "troop-actor --learner {} --role evaluate",
            learner.url
        ))
        .expect_code(1)
        .expect_text("experiment.evaluate.every_env_steps");
}

#[test]
fn a_learner_without_room_for_it_says_so() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole --workers 1 --set learner.max_sessions=1";
    scratch
        .run(&format!("{line} {EVERY} --run-dir run"))
        .expect_code(1)
        .expect_text("learner.max_sessions");
}

#[test]
fn a_comparison_has_both_scores_with_their_intervals() {
    let _serial = serial();
    let scratch = Scratch::new();
    for seed in [1, 2] {
        let line = format!("troop train cartpole --steps 20000 --seed {seed}");
        scratch
            .run(&format!("{line} {EVERY} --run-dir runs/{seed}"))
            .expect_code(0);
    }
    let page = scratch
        .run("troop report runs --kind comparison")
        .expect_code(0)
        .stdout;
    let row = page
        .lines()
        .find(|line| line.starts_with("| `cartpole` | 2 |"));
    let row = row.unwrap_or_else(|| panic!("{page}"));
    assert!(!row.contains('–') && row.matches('[').count() == 2, "{row}");
    assert!(
        page.contains("Performance profiles of CartPole-v1"),
        "{page}"
    );
}
