//! Where a run keeps everything that outlives it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use troop_common::experiment::{ConfigError, Experiment, resolve};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::event_log::EventLog;
use crate::history::HistoryReader;
use crate::summary::Summary;
use crate::tensorboard::{LifeStart, TensorBoardFile};

/// The resolved experiment, in a run directory.
pub const EXPERIMENT: &str = "experiment.toml";
/// The checkpoints, in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
pub(crate) const EVENTS: &str = "events.jsonl";
pub(crate) const SUMMARY: &str = "summary.json";
const EPOCH: &str = "epoch";
const LOCK: &str = ".lock";

/// What is wrong with a run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// It holds another run.
    #[error("run directory {} exists; choose another --run-dir or continue it with --resume", .0.display())]
    Exists(PathBuf),
    /// There is nothing to continue.
    #[error("{} is no run directory: it has no experiment.toml; expected one that an earlier run has made", .0.display())]
    NoRun(PathBuf),
    /// It holds a run of another experiment.
    #[error("run directory {} holds a run of `{found}`, expected `{expected}`; choose another --run-dir", path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// The name of the experiment that was asked for.
        expected: String,
        /// The name of the one that is there.
        found: String,
    },
    /// Another process trains there.
    #[error("run directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged: expected the number of the run's last life, found `{found}`", path.display())]
    Epoch {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
    /// Its experiment cannot be read or written.
    #[error(transparent)]
    Experiment(#[from] ConfigError),
    /// Its checkpoints cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl RunDirectoryError {
    /// Whether the user asked for something that cannot be, rather than something having failed.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Exists(_) | Self::NoRun(_) | Self::Other { .. } | Self::Experiment(_)
        )
    }
}

/// The directory of one run: `experiment.toml` (resolved), `checkpoints/`, `summary.json`. It is
/// locked for as long as this lives, so that two processes never share one.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// Holds the lock; the system gives it back even where the process is killed.
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
    /// The newest checkpoint that can be read; none where none was ever written.
    pub checkpoint: Option<Checkpoint>,
}

impl RunDirectory {
    /// Makes the directory of a fresh run.
    ///
    /// # Errors
    /// Where it exists already, or cannot be written.
    pub fn create(path: &Path, experiment: &Experiment) -> Result<Self, RunDirectoryError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error(parent))?;
        }
        fs::create_dir(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RunDirectoryError::Exists(path.into()),
            _ => io_error(path)(error),
        })?;
        let directory = Self::lock(path)?;
        directory.write(EPOCH, b"1\n")?;
        directory.write_experiment(experiment)?;
        Ok(directory)
    }

    /// Makes the directory of a fresh run that names none: `runs/<name>-<seed>-<UTC time>`, with a
    /// number behind it where another run began in the same second.
    ///
    /// # Errors
    /// Where it cannot be written.
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
        let name = format!("{}-{}-{}", run.name, run.seed, utc(now));
        let mut path = runs.join(&name);
        let mut number = 1;
        loop {
            match Self::create(&path, experiment) {
                Err(RunDirectoryError::Exists(_)) => number += 1,
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
    /// Where there is no run, its experiment cannot be read, or an override cannot work.
    pub fn experiment(path: &Path, overrides: &[String]) -> Result<Experiment, RunDirectoryError> {
        let file = experiment_file(path)?;
        Ok(resolve(&file.to_string_lossy(), overrides)?.experiment)
    }

    /// The experiment of the run at `path` as it was written, without the environment's layer.
    ///
    /// # Errors
    /// Where there is no run, or its experiment cannot be read.
    pub fn stored_experiment(path: &Path) -> Result<Experiment, RunDirectoryError> {
        let file = experiment_file(path)?;
        let text = fs::read_to_string(&file).map_err(io_error(&file))?;
        Ok(Experiment::from_toml(&text)?)
    }

    /// Goes on with a run. `overrides` are `section.key=value` over its own experiment, which is
    /// written anew.
    ///
    /// # Errors
    /// Where there is no run, another process has it, its files cannot be read, or an override
    /// cannot work.
    pub fn open_for_resume(
        path: &Path,
        overrides: &[String],
    ) -> Result<Resumed, RunDirectoryError> {
        let file = experiment_file(path)?;
        let directory = Self::lock(path)?;
        let experiment = resolve(&file.to_string_lossy(), overrides)?.experiment;
        let checkpoint = Checkpoint::newest(&directory.checkpoints())?.map(|(_, newest)| newest);
        let written = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.state.epoch);
        let epoch = directory.last_epoch()?.max(written) + 1;
        directory.write(EPOCH, format!("{epoch}\n").as_bytes())?;
        directory.write_experiment(&experiment)?;
        Ok(Resumed {
            directory,
            experiment,
            epoch,
            checkpoint,
        })
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
    /// Where the system does not say.
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
    /// Where it cannot be written; an earlier one is left as it was.
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
    /// Where the event log cannot be read.
    pub fn history(path: &Path) -> Result<HistoryReader, RunDirectoryError> {
        let path = path.join(EVENTS);
        let mut reader = HistoryReader::new(&path);
        reader.refresh().map_err(io_error(&path))?;
        Ok(reader)
    }

    /// The summary of the run at `path`; none before it was written.
    ///
    /// # Errors
    /// Where it cannot be read.
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

    fn write_experiment(&self, experiment: &Experiment) -> Result<(), RunDirectoryError> {
        self.write(EXPERIMENT, experiment.to_toml()?.as_bytes())
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
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(self.path.join(name))?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(io_error(&self.path.join(name)))
    }
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

/// A moment as `20250131T235959Z`.
fn utc(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a number of days since 1970, by Hinnant's `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March, so that the leap day is the year's last.
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use troop_common::experiment::Preset;

    fn experiment() -> Experiment {
        Preset::find("cartpole").unwrap().experiment().unwrap()
    }

    #[test]
    fn a_directory_that_exists_is_never_taken_for_a_fresh_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/run");
        let first = RunDirectory::create(&path, &experiment()).unwrap();
        assert!(first.path().join("experiment.toml").is_file());
        let error = RunDirectory::create(&path, &experiment()).unwrap_err();
        assert!(error.to_string().contains("--resume"), "{error}");
    }

    #[test]
    fn only_one_process_has_a_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let first = RunDirectory::create(&path, &experiment()).unwrap();
        let second = RunDirectory::open_for_resume(&path, &[]);
        assert!(matches!(second, Err(RunDirectoryError::InUse(_))));
        drop(first);
        RunDirectory::open_for_resume(&path, &[]).unwrap();
    }

    #[test]
    fn each_life_has_its_own_number_even_where_none_wrote_a_checkpoint() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        drop(RunDirectory::create(&path, &experiment()).unwrap());
        for epoch in 2..5 {
            let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
            assert_eq!((resumed.epoch, resumed.checkpoint), (epoch, None));
            assert_eq!(resumed.experiment, experiment());
        }
    }

    #[test]
    fn overrides_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        drop(RunDirectory::create(&path, &experiment()).unwrap());
        let steps = ["experiment.total_env_steps=77".to_owned()];
        drop(RunDirectory::open_for_resume(&path, &steps).unwrap());
        let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
        assert_eq!(resumed.experiment.experiment.total_env_steps, 77);
    }

    #[test]
    fn what_is_no_run_or_is_damaged_is_said() {
        let parent = tempfile::tempdir().unwrap();
        let missing = RunDirectory::open_for_resume(&parent.path().join("none"), &[]);
        assert!(matches!(missing, Err(RunDirectoryError::NoRun(_))));
        let path = parent.path().join("run");
        drop(RunDirectory::create(&path, &experiment()).unwrap());
        fs::write(path.join(EPOCH), "three").unwrap();
        let error = RunDirectory::open_for_resume(&path, &[]).unwrap_err();
        assert!(error.to_string().contains("`three`"), "{error}");
    }

    #[test]
    fn times_are_dates_of_utc() {
        let check = |seconds, expected: &str| {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        };
        check(0, "19700101T000000Z");
        check(951_827_696, "20000229T123456Z");
        check(1_735_689_599, "20241231T235959Z");
    }

    #[test]
    fn runs_that_begin_in_one_second_have_directories_of_their_own() {
        let parent = tempfile::tempdir().unwrap();
        for name in [
            "cartpole-1-19700101T000000Z",
            "cartpole-1-19700101T000000Z-2",
            "cartpole-1-19700101T000000Z-3",
        ] {
            let made =
                RunDirectory::create_default_in(parent.path(), &experiment(), UNIX_EPOCH).unwrap();
            assert_eq!(made.path(), parent.path().join(name));
        }
    }
}
