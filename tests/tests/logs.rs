//! What the binaries log.

use serde_json::Value;
use troop_tests::{Finished, Learner, Scratch, serial};

/// The lines of a JSON log.
fn lines(process: &Finished) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    };
    process.stderr.lines().map(parse).collect()
}

#[track_caller]
fn check_messages(lines: &[Value], expected: &[&str]) {
    let message = |line: &Value| line["fields"]["message"].as_str().map(str::to_owned);
    let found: Vec<String> = lines.iter().filter_map(message).collect();
    assert_eq!(
        found.len(),
        lines.len(),
        "each line has a message: {lines:?}"
    );
    for message in expected {
        assert!(
            found.iter().any(|found| found == message),
            "{message}: {found:?}"
        );
    }
    for line in lines {
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
}

#[test]
fn learner_and_actor_log_json_one_line_a_change_of_state() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = "--experiment cartpole --steps 60000 --run-dir run --log-format json";
    let learner = Learner::start(&scratch, options);
    let options = format!("--learner {} --workers 2 --log-format json", learner.url);
    let actor = scratch
        .run(&format!("troop-actor {options}"))
        .expect_code(0);
    let learner = learner.process.wait().expect_code(0);
    let updates = scratch.run_files("run").summary()["updates"].as_u64();
    assert!(updates > Some(100), "else this shows nothing");

    let (of_learner, of_actor) = (lines(&learner), lines(&actor));
    let messages = [
        "learner ready",
        "session joined",
        "session ends",
        "checkpoint written",
        "learner ends",
    ];
    check_messages(&of_learner, &messages);
    check_messages(&of_actor, &["actor joined"]);
    for lines in [&of_learner, &of_actor] {
        assert!(lines.len() < 30, "{lines:?}");
    }
}

#[test]
fn troop_train_logs_json_and_rejections_become_rare() {
    let _serial = serial();
    let scratch = Scratch::new();
    // No staleness is allowed: some of two workers' gradients are rejected.
    let settings = "--set learner.max_staleness_updates=0 --set learner.publish={updates=1}";
    let options = "--workers 2 --steps 20000 --run-dir run --log-format json";
    let log = "--set telemetry.log=info,troop_actor::link=debug";
    let train = scratch
        .run(&format!("troop train cartpole {options} {settings} {log}"))
        .expect_code(0);
    let lines = lines(&train);
    check_messages(
        &lines,
        &["training", "checkpoint written", "gradient rejected"],
    );
    let summary = scratch.run_files("run").summary();
    let rejected = summary["gradients"]["rejected"]["stale"].as_u64().unwrap();
    let told = lines
        .iter()
        .filter(|line| line["fields"]["message"] == "gradient rejected");
    // Each of two workers tells of its first, second, fourth and so on.
    let most = 2 * (rejected.ilog2() as usize + 1);
    assert!(
        told.count() <= most,
        "{rejected} were rejected: {}",
        train.stderr
    );
}

#[test]
fn text_is_for_people_and_has_no_colours_in_a_file() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = scratch
        .run("troop train cartpole --workers 1 --steps 2000 --run-dir run")
        .expect_code(0)
        .expect_text("training");
    assert!(!train.stderr.contains('\u{1b}'), "{}", train.stderr);
    assert!(!train.stderr.contains("{\""), "{}", train.stderr);
}

/// A target network that is refreshed every 2 updates of all of two workers is as young as their gradients are old.
#[test]
fn a_young_target_network_is_warned_of_with_both_numbers_and_what_to_set() {
    let _serial = serial();
    let scratch = Scratch::new();
    let settings = "--steps 4000 --set method.target_sync={updates=2}";
    let options = format!("--run-dir one --workers 2 {settings}");
    let train = scratch.run(&format!("troop train cartpole-onestepq {options}"));
    let options = format!("--experiment cartpole-onestepq --run-dir two {settings}");
    let learner = Learner::start(&scratch, &options);
    let actor = format!("troop-actor --learner {} --workers 2", learner.url);
    scratch.run(&actor).expect_code(0);
    for process in [train, learner.process.wait()] {
        process
            .expect_code(0)
            .expect_text("the target network is about as young as the gradients are old")
            .expect_text("updates=2")
            .expect_text("workers=")
            .expect_text("set method.target_sync = { updates_per_worker = N } with N above 3");
    }
    for run in ["one", "two"] {
        let events = scratch.run_files(run).events();
        let of_target = |event: &&Value| event.to_string().contains("target network");
        assert_eq!(events.iter().filter(of_target).count(), 1, "{run}");
    }
    let quiet = "troop train cartpole-onestepq --workers 8 --steps 4000 --run-dir quiet";
    let quiet = scratch.run(quiet).expect_code(0);
    assert_eq!(quiet.count_lines("target network"), 0);
}
