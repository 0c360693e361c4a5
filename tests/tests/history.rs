//! What a run leaves for those who look at it later: its event log, TensorBoard's files, reports.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;
use troop_tests::{
    Endpoint, RunFiles, Scratch, Signal, checkout, executable, poll_until, python, serial,
};

fn train(scratch: &Scratch, arguments: &str) {
    scratch
        .run(&format!("troop train {arguments}"))
        .expect_code(0);
}

fn number(line: &Value, key: &str) -> f64 {
    let value = line[key].as_f64();
    value.unwrap_or_else(|| panic!("no number `{key}` in {line}"))
}

fn messages(run: &RunFiles) -> Vec<String> {
    let events = run.events();
    let messages = events.iter().map(|event| event["message"].as_str());
    messages
        .map(|message| message.unwrap().to_owned())
        .collect()
}

#[test]
fn the_event_log_tells_of_a_run_that_went_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    train(&scratch, "cartpole --steps 30000 --workers 1 --run-dir run");
    let run = scratch.run_files("run");
    let first_life = [
        "run started",
        "session joined",
        "run finished",
        "session left",
        "checkpoint written",
    ];
    assert_eq!(messages(&run), first_life);
    train(&scratch, "--run-dir run --resume --steps 60000");
    let second_life = [&["run resumed"], &first_life[1..]].concat();
    assert_eq!(messages(&run)[5..], second_life);
    check_progress(&run);
    let resumed = &run.events()[5];
    assert_eq!(resumed["fields"]["epoch"], 2, "{resumed}");
    assert!(number(resumed, "env_steps") >= 30_000.0, "{resumed}");
    assert!(number(resumed, "unix_seconds") > 1.7e9, "{resumed}");
}

fn check_progress(run: &RunFiles) {
    let progress = run.progress();
    // The end of each life at least; how many more depends on the machine.
    assert!(progress.len() >= 2);
    for key in ["env_steps", "wall_seconds", "unix_seconds"] {
        let values = progress
            .windows(2)
            .map(|pair| [0, 1].map(|i| number(&pair[i], key)));
        let mut values = values;
        assert!(values.all(|[before, after]| before <= after), "{key}");
    }
    let last = progress.last().unwrap();
    for key in [
        "episode_length_mean_100",
        "gradient_norm_mean",
        "gradients_applied",
        "return_mean_100",
    ] {
        assert!(number(last, key) > 0.0, "{key}: {last}");
    }
    for key in [
        "gradients_rejected",
        "learning_rate",
        "sessions",
        "staleness_mean_updates",
        "staleness_p99_updates",
    ] {
        assert!(number(last, key) >= 0.0, "{key}: {last}");
    }
    assert!(last["losses"]["entropy"].is_f64(), "{last}");
}

#[test]
fn gradients_that_are_not_finite_raise_an_alarm_and_not_a_flood() {
    let _serial = serial();
    let scratch = Scratch::new();
    // Steps this large leave nothing finite behind.
    let setting = "--set optimizer.learning_rate=1e30 --set optimizer.max_gradient_norm=none";
    let line = format!("cartpole-nstepq --steps 60000 --workers 1 {setting} --run-dir run");
    scratch
        .run(&format!("troop train {line}"))
        .expect_code(1)
        .expect_text("was not finite 100 times in a row");
    let run = scratch.run_files("run");
    let rejected = &run.summary()["gradients"]["rejected"];
    assert!(rejected["non_finite"].as_u64() > Some(20), "{rejected}");
    let alarm = "gradient with values that are not finite";
    let alarms: Vec<Value> = run
        .events()
        .into_iter()
        .filter(|event| event["message"] == alarm)
        .collect();
    assert!((1..=6).contains(&alarms.len()), "{alarms:?}");
    assert_eq!(alarms[0]["level"], "error");
    assert!(alarms[0]["fields"]["worker"].is_string(), "{}", alarms[0]);
}

/// Prints what TensorBoard finds below a directory: `run tag step value`, one scalar a line.
const READ: &str = r#"
import sys
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util import tensor_util
multiplexer = EventMultiplexer().AddRunsFromDirectory(sys.argv[1])
multiplexer.Reload()
for run, content in multiplexer.Runs().items():
    for tag in content["tensors"]:
        for event in multiplexer.Tensors(run, tag):
            print(run, tag, event.step, tensor_util.make_ndarray(event.tensor_proto).item())
"#;

/// Step and value of each scalar of `run`, by tag, as TensorBoard shows them.
fn tensorboard(scratch: &Scratch, run: &str) -> BTreeMap<String, Vec<(u64, f64)>> {
    let output = Command::new(python())
        .args(["-c", READ])
        .arg(scratch.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let mut scalars: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], run, "{line}");
        let scalar = (words[2].parse().unwrap(), words[3].parse().unwrap());
        scalars.entry(words[1].to_owned()).or_default().push(scalar);
    }
    scalars
}

#[test]
fn tensorboard_reads_a_run_that_went_on_as_one() {
    let _serial = serial();
    let scratch = Scratch::new();
    train(&scratch, "cartpole --steps 30000 --run-dir run");
    train(&scratch, "--run-dir run --resume --steps 60000");
    let run = scratch.run_files("run");
    let names = fs::read_dir(run.path()).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let files = names.filter(|name| name.contains("tfevents")).count();
    assert_eq!(files, 2, "one a life");
    let scalars = tensorboard(&scratch, "run");
    for tag in [
        "rollout/ep_rew_mean",
        "rollout/ep_len_mean",
        "time/fps",
        "train/entropy_loss",
        "train/value_loss",
        "train/policy_loss",
        "train/learning_rate",
        "train/staleness_mean",
    ] {
        assert!(scalars.contains_key(tag), "no {tag} in {scalars:?}");
    }
    // Each line of progress is a point, earlier lives' included, in order and with its value.
    let progress = run.progress();
    let points: Vec<(u64, f64)> = progress
        .iter()
        .map(|line| (line["env_steps"].as_u64().unwrap(), number(line, "updates")))
        .collect();
    assert_eq!(scalars["train/n_updates"], points);
    let (_, entropy) = scalars["train/entropy_loss"].last().unwrap();
    let expected = number(&progress.last().unwrap()["losses"], "entropy");
    assert!((entropy + expected).abs() < 1e-6, "{entropy} {expected}");
}

#[test]
fn tensorboards_files_can_be_done_without() {
    let _serial = serial();
    let scratch = Scratch::new();
    let setting = "--set telemetry.tensorboard=false";
    train(
        &scratch,
        &format!("cartpole --steps 20000 {setting} --run-dir run"),
    );
    assert!(tensorboard(&scratch, "run").is_empty());
}

#[test]
fn a_report_has_a_row_and_a_curve_for_each_preset() {
    let _serial = serial();
    let scratch = Scratch::new();
    for seed in [1, 2] {
        let options = format!("--steps 60000 --seed {seed}");
        train(
            &scratch,
            &format!("cartpole {options} --run-dir runs/a3c-{seed}"),
        );
        train(
            &scratch,
            &format!("cartpole-nstepq {options} --run-dir runs/q-{seed}"),
        );
    }
    let endless = scratch.start("troop train cartpole --steps 1000000000 --run-dir runs/cut");
    let http = Endpoint {
        address: endless.address_after("http=http://"),
    };
    poll_until("env steps", || {
        (http.status()["progress"]["env_steps"].as_u64() > Some(10_000)).then_some(())
    });
    endless.signal(Signal::INT);
    endless.wait().expect_code(130);
    assert_eq!(scratch.run_files("runs/cut").summary()["finished"], false);
    scratch
        .run("troop report runs --output methods.md")
        .expect_code(0)
        .expect_text("left out: the run has not ended");
    let page = fs::read_to_string(scratch.path().join("methods.md")).unwrap();
    assert!(page.contains("## CartPole-v1\n"), "{page}");
    for (preset, method) in [("cartpole", "a3c"), ("cartpole-nstepq", "n_step_q")] {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{preset}` |")));
        let row = row.unwrap_or_else(|| panic!("no {preset} in {page}"));
        assert!(
            row.contains(&format!("| `{method}` | 0 of 2 | – | – | 60")),
            "{row}"
        );
    }
    assert!(page.contains("| A2C | – | – | – | 500 k | 500 |"), "{page}");
    let picture = "methods/cartpole-v1.svg";
    assert!(page.contains(&format!("]({picture})")), "{page}");
    let svg = fs::read_to_string(scratch.path().join(picture)).unwrap();
    for part in ["cartpole-nstepq", "threshold", "env steps", "<polyline"] {
        assert!(svg.contains(part), "no {part} in the picture");
    }
    scratch
        .run("troop report nothing")
        .expect_code(1)
        .expect_text("nothing");
}

#[test]
fn reports_of_the_studies_hold_runs_against_the_paper() {
    let _serial = serial();
    let scratch = Scratch::new();
    // A threshold that a few steps reach: it is the report that is tested.
    let easy = "--set experiment.solve_return=15 --set experiment.stop_when_solved=true";
    for workers in [1, 2] {
        let options = format!("--workers {workers} {easy} --run-dir speed/{workers}");
        train(&scratch, &format!("cartpole {options}"));
    }
    let page = scratch
        .run("troop report speed --kind speed-up")
        .expect_code(0)
        .stdout;
    let row = |start: &str| page.lines().find(|line| line.starts_with(start));
    assert!(
        row("| 1 | 1 of 1 |").is_some_and(|row| row.ends_with("| 1.0 | 1.0 |")),
        "{page}"
    );
    assert!(
        row("| 2 | 1 of 1 |").is_some_and(|row| row.ends_with("| 2.1 |")),
        "{page}"
    );

    for rate in ["1e-4", "4e-3"] {
        let options = format!("--set optimizer.learning_rate={rate} --run-dir rates/{rate}");
        train(&scratch, &format!("cartpole {easy} {options}"));
    }
    scratch
        .run("troop report rates/1e-4 rates/4e-3 --kind robustness --output robustness.md")
        .expect_code(0);
    let page = fs::read_to_string(scratch.path().join("robustness.md")).unwrap();
    assert!(page.contains("| 2 of 2 | 1.0e-4 to 4.0e-3 |"), "{page}");
    let svg = fs::read_to_string(scratch.path().join("robustness/cartpole-v1.svg")).unwrap();
    assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
}

#[test]
fn a_study_goes_on_where_it_stopped() {
    let _serial = serial();
    let scratch = Scratch::new();
    let study = || {
        let output = Command::new(python())
            .arg(checkout().join("scripts/robustness_study.py"))
            .args(["--experiments", "cartpole", "--rates", "2"])
            .args(["--set", "experiment.total_env_steps=20000"])
            .args(["--runs", "runs", "--page", "page.md", "--troop"])
            .arg(executable("troop"))
            .current_dir(scratch.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let said = study();
    assert!(said.contains("1/2 cartpole-1: score"), "{said}");
    assert!(said.contains("2/2 cartpole-2: score"), "{said}");
    let run = scratch.run_files("runs/cartpole-1");
    let began = |run: &RunFiles| run.events()[0]["unix_seconds"].clone();
    let first = began(&run);
    // The second one looks as if it had been cut off.
    fs::remove_file(scratch.path().join("runs/cartpole-2/summary.json")).unwrap();
    let said = study();
    assert!(!said.contains("cartpole-1"), "{said}");
    assert!(said.contains("2/2 cartpole-2: score"), "{said}");
    assert_eq!(began(&run), first, "it was not run again");
    let page = fs::read_to_string(scratch.path().join("page.md")).unwrap();
    assert!(page.contains("| `a3c` | `cartpole` | 0 of 2 |"), "{page}");
}
