use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use troop_common::experiment::{Experiment, SolvedBy};

use super::configuration::without_security;
use super::cursor::Cursor;
use super::runs::Run;
use super::update::{NowView, RunPhase, RunUpdate, RunView};
use crate::run_files::history::HistoryReader;
use crate::run_files::run_directory::{
    EVENTS, EXPERIMENT, RunDirectory, RunDirectoryError, SUMMARY,
};
use crate::run_files::summary::Summary;

/// A run that goes on writes a line more often than this.
const SILENCE: Duration = Duration::from_secs(20);

/// A run directory, read without its lock: its process may be another, or gone.
pub struct StoredRun {
    name: String,
    path: PathBuf,
    /// None until it could be read.
    experiment: Option<Experiment>,
    log: HistoryReader,
    cursor: Cursor,
}

impl StoredRun {
    /// The run in `path`, called `name`; whether it can be read shows later.
    pub(super) fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            experiment: None,
            log: HistoryReader::new(path.join(EVENTS)),
            cursor: Cursor::default(),
        }
    }

    /// How it stands, or why that cannot be read. If there is a summary its history is not looked at: many
    /// runs may be listed.
    pub(super) fn read(&mut self) -> RunView {
        let read = self.try_read();
        read.unwrap_or_else(|error| RunView::unreadable(&self.name, &error))
    }

    fn try_read(&mut self) -> Result<RunView, RunDirectoryError> {
        let experiment = match &self.experiment {
            Some(read) => read,
            None => self
                .experiment
                .insert(RunDirectory::stored_experiment(&self.path)?),
        };
        let run = experiment.experiment.clone();
        let summary = self.summary();
        if summary.is_none() {
            self.refresh_log()?;
        }
        let (phase, problem) = self.phase(summary.as_ref());
        Ok(RunView {
            run: self.name.clone(),
            experiment: run.name,
            seed: run.seed,
            phase,
            problem,
            total_env_steps: run.total_env_steps,
            solve_return: run.solve_return,
            solved_by_evaluation: run.solved_by == SolvedBy::Evaluation,
            now: summary.as_ref().map_or_else(
                || NowView::of_points(self.log.history().points()),
                NowView::of_summary,
            ),
        })
    }

    /// Where it is in its life, and what is wrong with it.
    fn phase(&self, summary: Option<&Summary>) -> (RunPhase, Option<String>) {
        match summary {
            Some(ended) if ended.failure.is_some() => (RunPhase::Failed, ended.failure.clone()),
            Some(ended) if ended.finished => (RunPhase::Finished, None),
            None if self.is_written() => (RunPhase::Running, None),
            Some(_) | None => (RunPhase::Stopped, None),
        }
    }

    fn refresh_log(&mut self) -> Result<(), RunDirectoryError> {
        let path = self.path.join(EVENTS);
        let refreshed = self.log.refresh();
        refreshed.map_err(|source| RunDirectoryError::Io { path, source })?;
        Ok(())
    }

    /// When its files were last written.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        [EVENTS, SUMMARY, EXPERIMENT]
            .into_iter()
            .filter_map(|name| self.modification(name))
            .max()
    }

    /// The summary of its last life; none while that goes on, or if it left none.
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
        let view = match self.refresh_log() {
            Ok(()) => self.read(),
            Err(error) => RunView::unreadable(&self.name, &error),
        };
        Ok(RunUpdate {
            view,
            news: self.cursor.take(self.log.history()),
            live: None,
        })
    }

    fn configuration(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.path.join(EXPERIMENT))?;
        without_security(&text)
    }
}
