use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use troop_common::experiment::Experiment;

use super::configuration::without_security;
use super::cursor::Cursor;
use super::runs::Run;
use super::update::{NowView, RunPhase, RunUpdate, RunView};
use crate::history::HistoryReader;
use crate::run_directory::{EVENTS, EXPERIMENT, RunDirectory, SUMMARY};
use crate::summary::Summary;

/// A run that goes on writes a line more often than this.
const SILENCE: Duration = Duration::from_secs(20);

/// A run directory, read without its lock: its process may be another, or gone.
pub struct StoredRun {
    name: String,
    path: PathBuf,
    experiment: Experiment,
    log: HistoryReader,
    cursor: Cursor,
}

impl StoredRun {
    /// The run in `path`, called `name`; none where there is none that can be read.
    pub(super) fn open(name: &str, path: &Path) -> Option<Self> {
        match RunDirectory::stored_experiment(path) {
            Ok(experiment) => Some(Self {
                name: name.into(),
                path: path.into(),
                experiment,
                log: HistoryReader::new(path.join(EVENTS)),
                cursor: Cursor::default(),
            }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "passing over a run directory");
                None
            }
        }
    }

    /// How it stands. Where there is a summary its history is not looked at: many runs may be listed.
    pub(super) fn read(&mut self) -> io::Result<RunView> {
        let summary = self.summary();
        if summary.is_none() {
            self.log.refresh()?;
        }
        let run = &self.experiment.experiment;
        Ok(RunView {
            run: self.name.clone(),
            experiment: run.name.clone(),
            seed: run.seed,
            phase: match &summary {
                Some(_) => RunPhase::Finished,
                None if self.is_written() => RunPhase::Running,
                None => RunPhase::Stopped,
            },
            total_env_steps: run.total_env_steps,
            solve_return: run.solve_return,
            now: summary.as_ref().map_or_else(
                || NowView::of_points(self.log.history().points()),
                NowView::of_summary,
            ),
        })
    }

    /// When its files were last written.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        [EVENTS, SUMMARY, EXPERIMENT]
            .into_iter()
            .filter_map(|name| self.modification(name))
            .max()
    }

    /// The summary of its last life; none while that goes on, or where it left none.
    fn summary(&self) -> Option<Summary> {
        // It is written after the log's last line.
        if self.modification(SUMMARY)? < self.modification(EVENTS)? {
            return None;
        }
        let text = fs::read(self.path.join(SUMMARY)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn is_written(&self) -> bool {
        let age = self.modified().and_then(|moment| moment.elapsed().ok());
        // A moment in the future is that of a file that has just been written.
        age.is_none_or(|age| age < SILENCE)
    }

    fn modification(&self, name: &str) -> Option<SystemTime> {
        fs::metadata(self.path.join(name)).ok()?.modified().ok()
    }
}

impl Run for StoredRun {
    fn refresh(&mut self) -> io::Result<RunUpdate> {
        self.log.refresh()?;
        Ok(RunUpdate {
            view: self.read()?,
            news: self.cursor.take(self.log.history()),
            live: None,
        })
    }

    fn configuration(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.path.join(EXPERIMENT))?;
        Ok(without_security(&text))
    }
}
