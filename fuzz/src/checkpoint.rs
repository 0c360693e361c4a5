//! A checkpoint whose checksums are right, whatever is in its files.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use troop_common::experiment::Experiment;
use troop_learner::ParameterServer;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::metrics::Metrics;
use troop_learner::summary::Summary;

use super::bytes_in::BytesIn;
use super::scratch::Scratch;

static FILES: LazyLock<Scratch> = LazyLock::new(Scratch::new);

const NAMES: [&str; 5] = [
    "state.json",
    "weights.safetensors",
    "optimizer.safetensors",
    "target.safetensors",
    "observations.safetensors",
];

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let directory = FILES.path("checkpoint");
    fs::create_dir_all(&directory).expect("memory can be written");
    let whole = input.byte() == 0;
    let manifest = if whole { &[] } else { input.part() };
    let mut sums = BTreeMap::new();
    for name in NAMES {
        let bytes = input.part();
        if !bytes.is_empty() {
            let digest = Sha256::digest(bytes);
            let sum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            sums.insert(name, sum);
        }
        fs::write(directory.join(name), bytes).expect("memory can be written");
    }
    let manifest = if whole {
        serde_json::to_vec(&sums).expect("it is JSON")
    } else {
        manifest.to_vec()
    };
    fs::write(directory.join("manifest.json"), manifest).expect("memory can be written");
    if let Ok(checkpoint) = Checkpoint::read(&directory) {
        resume(checkpoint);
    }
}

/// What a learner does that goes on from it.
fn resume(checkpoint: Checkpoint) {
    let mut experiment = Experiment::default();
    experiment.environment.normalize_observations = checkpoint.observations.is_some();
    let metrics = Metrics::new().expect("metrics can be made");
    let Ok(server) = ParameterServer::in_life(experiment, metrics, 2, Some(checkpoint)) else {
        return;
    };
    server.refresh_metrics();
    let summary = Summary::of(&server);
    serde_json::to_string(&summary).expect("it can be written");
    let again = server.checkpoint().expect("there is a model");
    serde_json::to_string(&again.state).expect("it can be written");
}
