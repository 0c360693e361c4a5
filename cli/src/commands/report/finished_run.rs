//! Runs as their directories tell of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use troop_common::experiment::Experiment;
use troop_learner::history::ProgressPoint;
use troop_learner::run_directory::{EXPERIMENT, RunDirectory};
use troop_learner::summary::Summary;

use crate::usage::UsageError;

/// A run that has ended by itself.
pub(super) struct FinishedRun {
    pub(super) experiment: Experiment,
    pub(super) summary: Summary,
    /// Progress, oldest first.
    pub(super) points: Vec<ProgressPoint>,
}

impl FinishedRun {
    /// The runs at `paths`: each is a run directory, or holds some. One that has not ended is left
    /// out with a warning.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut runs = Vec::new();
        for path in paths {
            let directories = run_directories(path)?;
            if directories.is_empty() {
                let expected = "expected a run directory, or one that holds some";
                let found = format!("{} has no {EXPERIMENT}: {expected}", path.display());
                return Err(UsageError(found).into());
            }
            for directory in directories {
                runs.extend(Self::read(&directory)?);
            }
        }
        Ok(runs)
    }

    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let summary = RunDirectory::summary(path)?;
        let Some(summary) = summary.filter(|summary| summary.finished) else {
            tracing::warn!(run = %path.display(), "left out: the run has not ended");
            return Ok(None);
        };
        Ok(Some(Self {
            experiment: RunDirectory::stored_experiment(path)?,
            summary,
            points: RunDirectory::history(path)?.history().points().to_vec(),
        }))
    }

    /// Its curve: env steps and mean return of 100 episodes.
    pub(super) fn curve(&self) -> Vec<(f64, f64)> {
        let point =
            |point: &ProgressPoint| Some((point.env_steps as f64, point.return_mean_100?.get()));
        self.points.iter().filter_map(point).collect()
    }
}

/// `path` where it is a run directory, otherwise those directly in it, by name.
fn run_directories(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_run = |path: &PathBuf| path.join(EXPERIMENT).is_file();
    if is_run(&path.to_owned()) {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.retain(is_run);
    paths.sort();
    Ok(paths)
}
