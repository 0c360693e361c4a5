//! What the documents promise, checked against the built binaries.

mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use troop_tests::{
    Endpoint, Exposition, Learner, Scratch, checkout, executable, poll_until, python, serial,
};

use documents::{CommandLine, command_lines, table_rows};

#[test]
fn the_learner_does_not_load_libtorch() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(&scratch, "--experiment cartpole --steps 1000000000");
    let actor = scratch.start(&format!(
        "troop-actor --learner {} --workers 1",
        learner.url
    ));
    poll_until("a gradient", || {
        let version = learner.http.status()["version"].as_u64();
        (version > Some(0)).then_some(())
    });
    let maps = |process: u32| fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    assert!(
        maps(actor.id()).contains("libtorch_cpu.so"),
        "else this shows nothing"
    );
    for library in ["libtorch", "libc10"] {
        assert!(!maps(learner.process.id()).contains(library), "{library}");
    }
}

#[test]
fn learners_and_replays_do_not_need_libtorch() {
    // The names of needed libraries stand in a binary as they are.
    let names = |program: &str, library: &str| {
        let bytes = fs::read(executable(program)).unwrap();
        let mut windows = bytes.windows(library.len());
        windows.any(|window| window == library.as_bytes())
    };
    assert!(
        names("troop-actor", "libtorch_cpu.so"),
        "else this shows nothing"
    );
    for library in ["libtorch.so", "libtorch_cpu.so", "libc10.so"] {
        for program in ["troop-learner", "troop-replay"] {
            assert!(!names(program, library), "{program}: {library}");
        }
    }
}

/// Each metric's type and labels by its name.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

#[test]
fn the_documented_metrics_are_those_that_are_exported() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        "--experiment cartpole --steps 1000000000 --run-dir kept/here",
    );
    let line = format!("troop-actor --learner {} --workers 2", learner.url);
    let actor = scratch.start(&format!("{line} --http 127.0.0.1:0"));
    let address = actor.address_after("HTTP  http://");
    let of_learner = poll_until("a loss", || {
        let metrics = learner.http.metrics();
        metrics
            .types
            .contains_key("troop_learner_loss")
            .then_some(metrics)
    });
    let mut found = exported(&of_learner);
    found.extend(exported(&Endpoint { address }.metrics()));
    let replay = scratch.start("troop-replay --experiment cartpole --http 127.0.0.1:0");
    let of_replay = Endpoint {
        address: replay.address_after("HTTP  http://"),
    };
    found.extend(exported(&of_replay.metrics()));
    assert_eq!(documented_metrics(), found);
    assert_eq!(documented_reasons(), of_learner.label_values("reason"));
    let labels =
        "{environment=\"CartPole-v1\",experiment=\"cartpole\",method=\"a3c\",run=\"here\"}";
    let of_actor = Endpoint { address }.metrics();
    for (part, metrics) in [("learner", &of_learner), ("actor", &of_actor)] {
        assert_eq!(
            metrics.value(&format!("troop_{part}_run_info{labels}")),
            1.0
        );
    }
}

fn documented_reasons() -> BTreeSet<String> {
    let text = fs::read_to_string(checkout().join("docs/metrics.md")).unwrap();
    let (_, section) = text.split_once("## Reasons of a rejection").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let names = table_rows(section).map(|row| row[0].clone());
    let reasons = names.filter_map(|name| Some(name.strip_prefix('`')?.strip_suffix('`')?.into()));
    reasons.filter(|reason| reason != "reason").collect()
}

fn exported(metrics: &Exposition) -> Metrics {
    let entry =
        |(name, kind): (&String, &String)| (name.clone(), (kind.clone(), metrics.labels(name)));
    metrics.types.iter().map(entry).collect()
}

fn documented_metrics() -> Metrics {
    let text = fs::read_to_string(checkout().join("docs/metrics.md")).unwrap();
    let names = |cell: &str| -> BTreeSet<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let rows = table_rows(&text).filter_map(|row| {
        let name = row[0].trim_matches('`').to_owned();
        let entry = (row.get(1)?.clone(), names(row.get(2)?));
        let is_metric = name.starts_with("troop_") || name.starts_with("process_");
        is_metric.then_some((name, entry))
    });
    rows.collect()
}

#[test]
fn documented_commands_have_the_flags_that_they_are_shown_with() {
    let scratch = Scratch::new();
    let mut helps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lines = command_lines();
    assert!(
        lines.len() > 20,
        "only {} command lines were found",
        lines.len()
    );
    for CommandLine {
        command,
        flags,
        text,
        ..
    } in lines
    {
        let known = helps.entry(command).or_insert_with_key(|command| {
            let help = scratch.run(&format!("{command} --help")).expect_code(0);
            documents::flags(&help.stdout)
        });
        for flag in flags {
            assert!(known.contains(&flag), "`{text}`: there is only {known:?}");
        }
    }
}

#[test]
fn documented_settings_can_be_set() {
    let scratch = Scratch::new();
    let settings = documents::settings();
    assert!(settings.len() > 3, "{settings:?}");
    for documents::Settings { preset, set } in settings {
        let preset = preset.as_deref().unwrap_or("cartpole");
        let mut command = scratch.command(&format!("troop config {preset}"));
        for setting in &set {
            command.args(["--set", setting]);
        }
        troop_tests::Process::start(&mut command)
            .wait()
            .expect_code(0);
    }
}

#[test]
fn documented_presets_are_those_that_ship() {
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Presets\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let documented: BTreeSet<String> = table_rows(section)
        .filter(|row| row[0].starts_with('`'))
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let table = Scratch::new().run("troop presets").expect_code(0).stdout;
    let shipped = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    assert_eq!(documented, shipped.map(str::to_owned).collect());
}

#[test]
fn weights_load_in_python_as_the_readme_shows() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --workers 1 --steps 20000 --run-dir run")
        .expect_code(0);
    let run = scratch.run_files("run");
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let (_, code) = readme.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let (before, rest) = code.split_once("load_file(\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let path = run.newest_checkpoint().join("weights.safetensors");
    let code = format!("{before}load_file(\"{}\"{after}", path.display());
    let printed = run_python(&code);
    let state = run.state();
    let layout = state["layout"].as_array().unwrap();
    for tensor in layout {
        let (name, shape) = (
            tensor["name"].as_str().unwrap(),
            tensor["shape"].as_array().unwrap(),
        );
        let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let comma = if axes.len() == 1 { "," } else { "" };
        let expected = format!("'{name}': ({}{comma})", axes.join(", "));
        assert!(
            printed.contains(&expected),
            "expected {expected} in {printed}"
        );
    }
    assert_eq!(printed.matches("': (").count(), layout.len(), "{printed}");
}

fn run_python(code: &str) -> String {
    let output = Command::new(python()).args(["-c", code]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{code}\n{message}");
    String::from_utf8(output.stdout).unwrap()
}
