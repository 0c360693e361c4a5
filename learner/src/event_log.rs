//! `events.jsonl`: a run's history, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::progress::ProgressView;

/// One line: where the run was at a moment. Absent values are `null`.
#[derive(Debug, Serialize)]
struct Event<'a> {
    wall_seconds: f64,
    env_steps: u64,
    frames: u64,
    episodes: u64,
    updates: u64,
    env_steps_per_second: f64,
    updates_per_second: f64,
    return_mean_100: Option<f64>,
    staleness_mean_updates: f64,
    losses: &'a std::collections::BTreeMap<String, f64>,
}

/// Appends to a run's history; a resumed run goes on in the same file.
#[derive(Debug)]
pub(crate) struct EventLog {
    file: File,
}

impl EventLog {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().create(true).append(true).open(path)?,
        })
    }

    /// Writes one line in one piece, so that a crash leaves whole lines.
    pub(crate) fn write(&mut self, view: &ProgressView) -> io::Result<()> {
        let counters = &view.counters;
        let event = Event {
            wall_seconds: counters.wall_seconds,
            env_steps: counters.env_steps,
            frames: counters.frames,
            episodes: counters.episodes,
            updates: counters.updates,
            env_steps_per_second: view.env_steps_per_second,
            updates_per_second: view.updates_per_second,
            return_mean_100: view.return_mean_100,
            staleness_mean_updates: view.staleness_updates.mean,
            losses: &view.losses,
        };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Counters;

    #[test]
    fn every_event_is_a_line_and_a_resumed_run_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        for env_steps in [10, 20] {
            let counters = Counters {
                env_steps,
                ..Counters::default()
            };
            let view = ProgressView {
                counters,
                ..ProgressView::default()
            };
            EventLog::open(&path).unwrap().write(&view).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["env_steps"]
                    .as_u64()
                    .unwrap()
            })
            .collect();
        assert_eq!(steps, [10, 20]);
    }
}
