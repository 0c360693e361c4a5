use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a run leaves behind, as somebody without Troop finds it.
pub struct RunFiles {
    path: PathBuf,
}

impl RunFiles {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The run directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of one of its files.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(bytes(&self.path.join(name))).expect("UTF-8")
    }

    /// `summary.json`.
    ///
    /// # Panics
    /// Where it is not there, or no JSON.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.text("summary.json")).expect("summary.json is JSON")
    }

    /// What `events.jsonl` says of the run's progress, oldest first.
    ///
    /// # Panics
    /// Where it is not there, or a line is no JSON.
    pub fn progress(&self) -> Vec<Value> {
        self.lines("progress")
    }

    /// What `events.jsonl` says has happened, oldest first.
    ///
    /// # Panics
    /// Where it is not there, or a line is no JSON.
    pub fn events(&self) -> Vec<Value> {
        self.lines("event")
    }

    fn lines(&self, kind: &str) -> Vec<Value> {
        let text = self.text("events.jsonl");
        let parse = |line| serde_json::from_str(line).expect("each line is JSON");
        let lines = text.lines().map(parse);
        lines.filter(|line: &Value| line["kind"] == kind).collect()
    }

    /// The checkpoints' directories, oldest first; none before the first was written.
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path.join("checkpoints"));
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let is_version = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.parse::<u64>().is_ok())
        };
        let mut checkpoints: Vec<PathBuf> = paths.filter(is_version).collect();
        checkpoints.sort();
        checkpoints
    }

    /// The newest checkpoint's directory.
    ///
    /// # Panics
    /// Where there is none.
    pub fn newest_checkpoint(&self) -> PathBuf {
        self.checkpoints().pop().expect("the run has a checkpoint")
    }

    /// The bytes of one of the newest checkpoint's files.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn checkpoint_file(&self, name: &str) -> Vec<u8> {
        bytes(&self.newest_checkpoint().join(name))
    }

    /// The newest checkpoint's `state.json`.
    ///
    /// # Panics
    /// Where it is not there, or no JSON.
    pub fn state(&self) -> Value {
        serde_json::from_slice(&self.checkpoint_file("state.json")).expect("state.json is JSON")
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
