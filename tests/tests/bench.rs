//! `troop bench`: whole reports, nothing lost, nobody left behind. Never a speed.

use std::fs;

use serde_json::Value;
use troop_tests::{Finished, Process, Scratch, poll_until, serial};

/// Small and short; what is measured does not matter here.
const INGEST: &str = "troop bench ingest --params 10000 --seconds 0.2";
const PUBLISH: &str =
    "troop bench publish --params 10000 --subscribers 3 --processes 2 --seconds 0.2";

/// Runs a bench whose temporary files lie in a directory that shows what is left of them.
fn bench(scratch: &Scratch, line: &str) -> Finished {
    let temporary = scratch.path().join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = scratch.command(line);
    let finished = Process::start(command.env("TMPDIR", &temporary)).wait();
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // The learner has its run directory there; helpers end with the process that started them.
    assert_eq!(
        processes_with(&temporary.to_string_lossy()),
        Vec::<String>::new()
    );
    finished
}

/// Command lines of running processes that contain `text`.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

#[track_caller]
fn number(report: &Value, section: &str, key: &str) -> f64 {
    let value = report[section][key].as_f64();
    value.unwrap_or_else(|| panic!("no number {section}.{key} in {report:#}"))
}

#[track_caller]
fn assert_positive(report: &Value, section: &str, keys: &[&str]) {
    for key in keys {
        let value = number(report, section, key);
        assert!(value > 0.0, "{section}.{key} is {value}");
    }
}

#[track_caller]
fn assert_raw_socket(report: &Value) {
    let keys = ["messages_per_second", "gigabytes_per_second"];
    assert_positive(report, "raw_socket", &keys);
    assert_positive(report, "ratios", &["gigabytes_per_second_to_raw_socket"]);
}

/// What must be true of every run of `bench ingest`.
#[track_caller]
fn assert_nothing_lost(report: &Value) {
    let count = |key| number(report, "learner", key);
    assert_eq!(count("gradients_rejected"), 0.0);
    assert_eq!(count("gradients_lost"), 0.0);
    assert_eq!(count("gradients_applied"), count("gradients_pushed"));
    assert_positive(
        report,
        "learner",
        &["gradients_pushed", "peak_memory_bytes"],
    );
    assert_eq!(count("parameter_bytes"), 40_000.0);
    // Bytes count when they come, gradients once they are applied: some are between the two.
    let bytes = count("gigabytes_per_second") * 1e9 / count("gradients_per_second");
    let difference = bytes / 40_000.0 - 1.0;
    assert!(difference.abs() < 0.05, "{bytes} bytes a gradient");
}

#[test]
fn ingest_reports_medians_and_leaves_nothing_behind() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = format!("{INGEST} --repeat 2 --json");
    let report = bench(&scratch, &line).expect_code(0).json();
    assert_eq!(report["settings"]["params"], 10_000);
    assert_eq!(report["rounds"].as_array().map(Vec::len), Some(2));
    for round in report["rounds"].as_array().unwrap() {
        assert_nothing_lost(round);
        assert_raw_socket(round);
    }
    let timings = [
        "queue_wait_p50_at_most_seconds",
        "queue_wait_p99_at_most_seconds",
    ];
    assert_positive(&report, "learner", &timings);
    let sockets = ["messages_per_second", "gigabytes_per_second"];
    assert_positive(&report, "raw_socket_one_hot_block", &sockets);
    let steps = number(&report, "optimizer_alone", "steps_per_second");
    let gigabytes = number(&report, "optimizer_alone", "gigabytes_per_second");
    assert!((gigabytes * 1e9 / steps - 40_000.0).abs() < 1.0);
    assert_positive(
        &report,
        "ratios",
        &[
            "gradients_per_second_to_optimizer_alone",
            "gradients_per_second_to_socket_and_optimizer",
        ],
    );
    let copies = [
        "of_one_message_gigabytes_per_second",
        "of_64_mebibytes_gigabytes_per_second",
    ];
    assert_positive(&report, "memory_copy", &copies);
    let rates = |value: &Value| number(value, "learner", "gradients_per_second");
    let rounds: Vec<f64> = report["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(rates)
        .collect();
    let difference = rates(&report) / f64::midpoint(rounds[0], rounds[1]) - 1.0;
    assert!(
        difference.abs() < 1e-9,
        "{rounds:?} have {}",
        rates(&report)
    );
}

#[test]
fn a_run_over_several_learners_is_measured_as_one_and_each_by_itself() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = format!("{INGEST} --shards 2 --json");
    let report = bench(&scratch, &line).expect_code(0).json();
    assert_eq!(report["settings"]["shards"], 2);
    assert_nothing_lost(&report);
    assert_raw_socket(&report);
    let memory = ["shard_00_peak_memory_bytes", "shard_01_peak_memory_bytes"];
    assert_positive(&report, "shards", &memory);
    let of_each: f64 = memory
        .iter()
        .map(|key| number(&report, "shards", key))
        .sum();
    assert_eq!(number(&report, "learner", "peak_memory_bytes"), of_each);
    let skew = |key| number(&report, "shards", key);
    assert!(skew("skew_p99_updates") <= skew("skew_most_updates"));
    let gigabytes = number(&report, "raw_socket", "gigabytes_per_second");
    let messages = number(&report, "raw_socket", "messages_per_second");
    let bytes = gigabytes * 1e9 / messages;
    assert!(
        (bytes / 40_000.0 - 1.0).abs() < 0.05,
        "{bytes} bytes a message"
    );
}

#[test]
fn several_learners_speak_tls_and_unix_sockets_as_one_does() {
    let _serial = serial();
    let scratch = Scratch::new();
    for transport in ["--unix", "--tls"] {
        let line = format!("{INGEST} {transport} --shards 3 --publish-every 1 --json");
        let report = bench(&scratch, &line).expect_code(0).json();
        assert_nothing_lost(&report);
    }
    let line = "troop bench ingest --params 20 --shards 3";
    bench(&scratch, line)
        .expect_code(1)
        .expect_text("learner.shards to 2 or less");
}

#[test]
fn a_plan_shows_its_arithmetic_and_a_simulation() {
    let scratch = Scratch::new();
    let line = "troop bench plan --params 10000000 --workers 1000 --rate 0.5 --publishes-per-second 0.25 \
                --learner-gigabytes-per-second 2";
    let text = scratch.run(line).expect_code(0).stdout;
    for shown in [
        "gradients       1 000 workers × 0.5000 /s = 500 /s",
        "gradients in    500 /s × 40 MB = 20 GB/s",
        "weights out     1 000 subscribers × 0.2500 /s × 40 MB = 10 GB/s",
        "to apply        20 GB/s ÷ (2 GB/s × 0.7) = 14.29 learners",
        "to receive      20 GB/s × 8 ÷ (10 Gbit/s × 0.7) = 22.86 learners",
        "learners        the most of these, rounded up = 23",
        "1000 workers, 23 learners, 20000 gradients:",
    ] {
        assert!(text.contains(shown), "no `{shown}` in\n{text}");
    }
    let report = scratch.run(&format!("{line} --json")).expect_code(0).json();
    assert_eq!(report["plan"]["learners"], 23);
    let found = number(&report, "simulation", "gradients_per_second");
    assert!((found / 500.0 - 1.0).abs() < 0.05, "{found} gradients/s");
    let busy = number(&report, "simulation", "link_in_busy_share");
    let formula = number(&report, "closed_form", "link_in_busy_share");
    assert!(
        (busy - formula).abs() < 0.05,
        "{busy}, by formula {formula}"
    );
}

#[test]
fn a_plan_measures_what_it_is_not_told() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop bench plan cartpole --workers 4 --env-steps-per-second 1000 --json";
    let report = bench(&scratch, line).expect_code(0).json();
    assert_eq!(number(&report, "demand", "parameters"), 4_675.0);
    let measured = ["gigabytes_per_second", "cpu_seconds_per_gigabyte"];
    assert_positive(&report, "learner", &measured);
    assert_eq!(report["plan"]["learners"], 1);
}

#[test]
fn a_plan_that_no_run_can_be_spread_for_says_what_helps() {
    let scratch = Scratch::new();
    let line = "troop bench plan --params 10000000 --workers 10000 --rate 5 --learner-gigabytes-per-second 2";
    scratch
        .run(line)
        .expect_code(1)
        .expect_text("a run has 64 at most")
        .expect_text("bf16");
}

#[test]
fn each_gradient_can_be_answered_by_weights() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = format!("{INGEST} --publish-every 1 --in-flight 1 --json");
    let report = bench(&scratch, &line).expect_code(0).json();
    assert_nothing_lost(&report);
    assert_raw_socket(&report);
    let answers = number(&report, "learner", "weights_received_per_gradient");
    // A session may have a gradient under way at either end of the measurement.
    assert!((answers - 1.0).abs() < 0.1, "{answers} weights a gradient");
}

#[test]
fn ingest_goes_over_unix_sockets_and_tls_as_well() {
    let _serial = serial();
    let scratch = Scratch::new();
    for transport in ["--unix", "--tls"] {
        let line = format!("{INGEST} {transport} --encoding bf16 --json");
        let report = bench(&scratch, &line).expect_code(0).json();
        assert_eq!(number(&report, "learner", "gradients_lost"), 0.0);
        assert_positive(&report, "learner", &["gradients_applied"]);
        assert_raw_socket(&report);
    }
}

#[test]
fn publish_reports_what_reached_the_subscribers() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = format!("{PUBLISH} --stalled 1 --unix --json");
    let report = bench(&scratch, &line).expect_code(0).json();
    assert_raw_socket(&report);
    let keys = [
        "gigabytes_per_second",
        "weights_received_per_second",
        "publishes_per_second",
        "peak_memory_bytes",
    ];
    assert_positive(&report, "learner", &keys);
    assert_positive(&report, "learner_with_stalled", &keys);
}

#[test]
fn train_says_what_the_time_goes_to() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop bench train cartpole --workers 1 --seconds 1 --json";
    let report = bench(&scratch, line).expect_code(0).json();
    let rates = ["env_steps_per_second", "gradients_per_second", "cpu_cores"];
    assert_positive(&report, "training", &rates);
    assert_eq!(number(&report, "training", "workers"), 1.0);
    let shares = report["shares_of_workers_time"].as_object().unwrap();
    let shares = shares.values().map(|share| share.as_f64().unwrap());
    let (all, least) = shares.fold((0.0, f64::MAX), |(sum, least), share| {
        (sum + share, share.min(least))
    });
    assert!((all - 1.0).abs() < 0.1 && least >= 0.0, "{report}");
    let work = ["environment", "acting", "gradient"];
    assert_positive(&report, "shares_of_workers_time", &work);
    for limit in ["environments", "arithmetic"] {
        let ratio = format!("env_steps_to_{limit}_alone");
        let ratio = number(&report, "ratios", &ratio);
        assert!(ratio > 0.0 && ratio < 1.0, "{limit}: {ratio}");
    }
}

#[test]
fn a_training_that_cannot_start_says_why() {
    let scratch = Scratch::new();
    let cases = [
        ("nothing", "nothing"),
        ("cartpole --set method.gamma=1", "method.gamma"),
    ];
    for (what, reason) in cases {
        let line = format!("troop bench train {what}");
        bench(&scratch, &line).expect_code(2).expect_text(reason);
    }
}

#[test]
fn a_bench_that_is_killed_leaves_nobody_behind() {
    let scratch = Scratch::new();
    let temporary = scratch.path().to_string_lossy().into_owned();
    let run = format!("{temporary}/");
    let mut command = scratch.command(&INGEST.replace("--seconds 0.2", "--seconds 1000"));
    let bench = Process::start(command.env("TMPDIR", &temporary));
    poll_until("the start of the learner", || {
        (!processes_with(&run).is_empty()).then_some(())
    });
    bench.kill();
    poll_until("the end of the learner", || {
        processes_with(&run).is_empty().then_some(())
    });
}

#[test]
fn reports_are_tables_for_people() {
    let _serial = serial();
    let scratch = Scratch::new();
    let report = bench(&scratch, INGEST).expect_code(0).stdout;
    for line in ["learner", "  gradients per second ", "raw socket", "ratios"] {
        assert!(report.contains(line), "no `{line}` in\n{report}");
    }
}

#[test]
fn a_learner_that_cannot_start_says_why() {
    let scratch = Scratch::new();
    let line = format!("{INGEST} --optimizer downhill");
    bench(&scratch, &line)
        .expect_code(1)
        .expect_text("the learner did not start")
        .expect_text("downhill");
}

#[test]
fn a_replay_of_its_own_takes_and_gives_and_says_how_fast() {
    let _serial = serial();
    let scratch = Scratch::new();
    let disk = scratch.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let line = "troop bench replay --service --journal disk --seconds 0.5 --json";
    let report = bench(&scratch, line).expect_code(0).json();
    assert_eq!(disk.read_dir().unwrap().count(), 0, "the journals go");
    let kinds = report["kinds"].as_array().expect("a list");
    assert_eq!(kinds.len(), 2, "{report:#}");
    let keys = [
        "env_steps_added_per_second_alone",
        "transitions_drawn_per_second_alone",
        "env_steps_added_per_second",
        "transitions_drawn_per_second",
        "raw_socket_gigabytes_per_second",
        "draw_p99_seconds",
        "priority_effective_p99_seconds",
        "peak_memory_bytes",
        "journal_bytes",
    ];
    for kind in kinds {
        for key in keys {
            let value = kind[key].as_f64();
            assert!(value > Some(0.0), "{key}: {kind:#}");
        }
    }
}
