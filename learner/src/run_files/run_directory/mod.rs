//! Where a run keeps everything that outlives it.

mod error;
mod utc;

pub use error::RunDirectoryError;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use troop_common::experiment::{Experiment, resolve_run};

use crate::ledger::LifeStart;
use crate::run_files::atomic_file::{self, PARTIAL};
use crate::run_files::checkpoint::Checkpoint;
use crate::run_files::checkpoints::Checkpoints;
use crate::run_files::event_log::EventLog;
use crate::run_files::history::HistoryReader;
use crate::run_files::summary::Summary;
use crate::run_files::tensorboard::TensorBoardFile;

/// The resolved experiment, in a run directory.
pub const EXPERIMENT: &str = "experiment.toml";
/// The checkpoints, in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
pub(crate) const EVENTS: &str = "events.jsonl";
pub(crate) const SUMMARY: &str = "summary.json";
const EPOCH: &str = "epoch";
const LOCK: &str = ".lock";

/// What a file system has at its own root.
const LOST_AND_FOUND: &str = "lost+found";

/// The directory of one run: `experiment.toml` (resolved), `checkpoints/`, `summary.json`. It is
/// locked for as long as this lives, so that two processes never share one.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// Holds the lock; the system gives it back even if the process is killed.
    _lock: File,
}

/// The file system of a run directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What this user may still write.
    pub available_bytes: u64,
    /// All of it.
    pub size_bytes: u64,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// Its directory.
    pub directory: RunDirectory,
    /// Its experiment, with the overrides.
    pub experiment: Experiment,
    /// The number of the life that begins, above that of every earlier one.
    pub epoch: u64,
    /// The newest checkpoint that can be read; none if none was ever written.
    pub checkpoint: Option<Checkpoint>,
}

impl RunDirectory {
    /// Makes the directory of a fresh run. One that is there already is taken if it holds nothing but what a
    /// start leaves that was killed, or had no room to end: `experiment.toml` comes last and makes it a run.
    ///
    /// # Errors
    /// If it holds a run or something else, another process has it, or it cannot be written.
    pub fn create(path: &Path, experiment: &Experiment) -> Result<Self, RunDirectoryError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RunDirectoryError::NoDirectory(path.into()),
            _ => io_error(path)(error),
        })?;
        if Self::holds_run(path) {
            return Err(RunDirectoryError::Exists(path.into()));
        }
        // Looked at before the lock, too, so that nothing is put into a directory of somebody's own.
        refuse_others_files(path)?;
        let directory = Self::lock(path)?;
        if Self::holds_run(path) {
            return Err(RunDirectoryError::Exists(path.into()));
        }
        directory.clear()?;
        directory.begin_life(1)?;
        directory.write_experiment(experiment)?;
        Ok(directory)
    }

    /// Makes the directory of a fresh run that names none: `runs/<name>-<seed>-<UTC time>`, with a
    /// number behind it if another run began in the same second.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create_default(
        experiment: &Experiment,
        now: SystemTime,
    ) -> Result<Self, RunDirectoryError> {
        Self::create_default_in(Path::new("runs"), experiment, now)
    }

    fn create_default_in(
        runs: &Path,
        experiment: &Experiment,
        now: SystemTime,
    ) -> Result<Self, RunDirectoryError> {
        let run = &experiment.experiment;
        let name = format!("{}-{}-{}", run.name, run.seed, utc::utc(now));
        let mut path = runs.join(&name);
        let mut number = 1;
        loop {
            match Self::create(&path, experiment) {
                Err(error) if error.is_taken() => number += 1,
                result => return result,
            }
            path = runs.join(format!("{name}-{number}"));
        }
    }

    /// Whether a run has begun in `path`.
    pub fn holds_run(path: &Path) -> bool {
        path.join(EXPERIMENT).is_file()
    }

    /// What the run at `path` would go on with; nothing is written, and another process may have it.
    ///
    /// # Errors
    /// If there is no run, its experiment cannot be read, or an override cannot work.
    pub fn experiment(path: &Path, overrides: &[String]) -> Result<Experiment, RunDirectoryError> {
        let file = experiment_file(path)?;
        Ok(resolve_run(&file, overrides)?.experiment)
    }

    /// The experiment of the run at `path` as it was written, without the environment's layer.
    ///
    /// # Errors
    /// If there is no run, or its experiment cannot be read.
    pub fn stored_experiment(path: &Path) -> Result<Experiment, RunDirectoryError> {
        let file = experiment_file(path)?;
        let text = fs::read_to_string(&file).map_err(io_error(&file))?;
        Ok(Experiment::from_run_toml(&text)?)
    }

    /// Goes on with a run. `overrides` are `section.key=value` over its own experiment, which stays as it is
    /// until [`write_experiment`](Self::write_experiment), as the number of its last life does until a
    /// [`RunKeeper`](crate::run_keeper::RunKeeper) has it: a resume that is refused changes nothing.
    ///
    /// # Errors
    /// If there is no run, another process has it, its files cannot be read, an override cannot work, or it
    /// asks for another network than the run's checkpoint has.
    pub fn open_for_resume(
        path: &Path,
        overrides: &[String],
    ) -> Result<Resumed, RunDirectoryError> {
        let file = experiment_file(path)?;
        let directory = Self::lock(path)?;
        let experiment = resolve_run(&file, overrides)?.experiment;
        directory.clear()?;
        let checkpoint = Checkpoints::new(directory.checkpoints()).recover()?;
        if checkpoint.is_some() {
            refuse_another_network(path, &experiment)?;
        }
        let written = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.state.epoch);
        let epoch = directory.last_epoch()?.max(written).saturating_add(1);
        Ok(Resumed {
            directory,
            experiment,
            epoch,
            checkpoint,
        })
    }

    /// Notes that life `epoch` of the run has begun, before anybody joins it: no other has its number.
    pub(crate) fn begin_life(&self, epoch: u64) -> Result<(), RunDirectoryError> {
        self.write(EPOCH, format!("{epoch}\n").as_bytes())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called: the last part of its path.
    pub fn name(&self) -> String {
        let path = self.path.canonicalize();
        let name = path.as_ref().unwrap_or(&self.path).file_name();
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How much room there is where it is kept.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn disk(&self) -> io::Result<Disk> {
        let found = rustix::fs::statvfs(&self.path)?;
        Ok(Disk {
            available_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }

    /// Where its checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Writes `summary.json`, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written; an earlier one is left as it was.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), RunDirectoryError> {
        self.write(
            SUMMARY,
            &json(summary).map_err(io_error(&self.path.join(SUMMARY)))?,
        )
    }

    /// The run's event log, to be gone on with.
    pub(crate) fn event_log(&self) -> Result<EventLog, RunDirectoryError> {
        let path = self.path.join(EVENTS);
        EventLog::open(&path).map_err(io_error(&path))
    }

    /// A reader of the history of the run at `path`, whether or not it is going on; it has been
    /// read once.
    ///
    /// # Errors
    /// If the event log cannot be read.
    pub fn history(path: &Path) -> Result<HistoryReader, RunDirectoryError> {
        let path = path.join(EVENTS);
        let mut reader = HistoryReader::new(&path);
        reader.refresh().map_err(io_error(&path))?;
        Ok(reader)
    }

    /// The summary of the run at `path`; none before it was written.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn summary(path: &Path) -> Result<Option<Summary>, RunDirectoryError> {
        let path = path.join(SUMMARY);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(io_error(&path))?,
        };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map_err(|error| io_error(&path)(error.into()))
    }

    /// A file for TensorBoard, beside those of earlier lives.
    pub(crate) fn tensorboard_file(
        &self,
        start: LifeStart,
    ) -> Result<TensorBoardFile, RunDirectoryError> {
        TensorBoardFile::create(&self.path, start).map_err(io_error(&self.path))
    }

    fn lock(path: &Path) -> Result<Self, RunDirectoryError> {
        let file = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(io_error(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.into(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(RunDirectoryError::InUse(path.into())),
            Err(TryLockError::Error(error)) => Err(io_error(&file)(error)),
        }
    }

    /// Replaces `experiment.toml`, with every key.
    ///
    /// # Errors
    /// If it cannot be written; the earlier one is left as it was.
    pub fn write_experiment(&self, experiment: &Experiment) -> Result<(), RunDirectoryError> {
        self.write(EXPERIMENT, experiment.to_toml()?.as_bytes())
    }

    /// Removes files that a killed process had not written whole.
    fn clear(&self) -> Result<(), RunDirectoryError> {
        for name in names(&self.path)? {
            if is_partial(&name) {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// The number of the life that began last, whether or not it wrote a checkpoint.
    fn last_epoch(&self) -> Result<u64, RunDirectoryError> {
        let path = self.path.join(EPOCH);
        let text = fs::read_to_string(&path).map_err(io_error(&path))?;
        let found = text.trim();
        found.parse().map_err(|_| RunDirectoryError::Epoch {
            found: found.into(),
            path,
        })
    }

    /// Replaces a file, whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirectoryError> {
        let path = self.path.join(name);
        atomic_file::replace(&path, bytes).map_err(io_error(&path))
    }
}

/// What is in a directory; what is no text cannot be ours.
fn names(path: &Path) -> Result<Vec<String>, RunDirectoryError> {
    let entries = fs::read_dir(path).map_err(io_error(path))?;
    let name = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.map_err(io_error(path))?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// What a killed process had not written whole; earlier versions called it `.tmp…`.
fn is_partial(name: &str) -> bool {
    name.starts_with(PARTIAL) || name.starts_with(".tmp")
}

/// A fresh run never begins beside files that are not its own.
fn refuse_others_files(path: &Path) -> Result<(), RunDirectoryError> {
    let ours = |name: &str| matches!(name, LOCK | EPOCH | LOST_AND_FOUND) || is_partial(name);
    let other = names(path)?.into_iter().find(|name| !ours(name));
    other.map_or(Ok(()), |found| {
        let path = path.into();
        Err(RunDirectoryError::NotEmpty { path, found })
    })
}

fn refuse_another_network(path: &Path, asked: &Experiment) -> Result<(), RunDirectoryError> {
    let changes = RunDirectory::stored_experiment(path)?.identity_changes(asked)?;
    if changes.is_empty() {
        return Ok(());
    }
    let path = path.into();
    Err(RunDirectoryError::OtherNetwork { path, changes })
}

fn experiment_file(run: &Path) -> Result<PathBuf, RunDirectoryError> {
    let file = run.join(EXPERIMENT);
    let found = file.is_file();
    found
        .then_some(file)
        .ok_or_else(|| RunDirectoryError::NoRun(run.into()))
}

fn json<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> RunDirectoryError {
    move |source| RunDirectoryError::Io {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests;
