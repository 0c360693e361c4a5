//! A run's directory, as the dashboard and `troop report` find it.

use std::fs;
use std::sync::LazyLock;

use troop_common::experiment::{Experiment, SecuritySettings};
use troop_learner::dashboard::{Run, Runs, RunsDirectory};
use troop_learner::run_directory::RunDirectory;

use super::bytes_in::BytesIn;
use super::scratch::Scratch;

static FILES: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let run = FILES.path("run");
    fs::create_dir_all(&run).expect("memory can be written");
    for name in ["summary.json", "events.jsonl", "experiment.toml"] {
        fs::write(run.join(name), input.part()).expect("memory can be written");
    }
    let _ = RunDirectory::summary(&run);
    let _ = RunDirectory::stored_experiment(&run);
    let runs = RunsDirectory::new(&FILES.path(""));
    if let Ok(list) = runs.list() {
        serde_json::to_string(&list).expect("it can be shown");
    }
    let Ok(mut run) = runs.open("run") else {
        return;
    };
    if let Ok(update) = run.refresh() {
        serde_json::to_string(&update).expect("it can be shown");
    }
    if let Ok(text) = run.configuration()
        && let Ok(shown) = Experiment::from_toml(&text)
    {
        assert_eq!(shown.security, SecuritySettings::default(), "{text}");
    }
}
