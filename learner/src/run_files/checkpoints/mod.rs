//! The checkpoints of a run: which is the newest, which are kept, what becomes of damaged ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::run_files::atomic_file::{PARTIAL, sync_directory};
use crate::run_files::checkpoint::{Checkpoint, CheckpointError, io_error};

/// A checkpoint that could not be read is called this and its version.
const DAMAGED: &str = "damaged-";

/// A checkpoint whose place another of its version is about to take is called this and its version.
const REPLACED: &str = ".replaced-";

/// Damaged ones that are kept for a look at them.
const DAMAGED_KEPT: usize = 2;

/// The life of a checkpoint whose state is damaged: it is looked at first, so that somebody is told.
const UNKNOWN: u64 = u64::MAX;

/// A run's directory of checkpoints, each in a directory named after its version.
///
/// The newest is that of the latest life, and of that life the one with the most updates: a life that went
/// on from an older checkpoint has left those behind that were newer.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    directory: PathBuf,
}

/// A whole checkpoint and where it is.
type Found = (PathBuf, Checkpoint);

/// One of them, by what its state says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The life that wrote it, or [`UNKNOWN`].
    epoch: u64,
    version: u64,
    path: PathBuf,
}

impl Checkpoints {
    /// Those in `directory`, which need not be there yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Writes a checkpoint, and then removes all but the newest `keep` and never the one that was just
    /// written.
    ///
    /// # Errors
    /// If it cannot be written; what was there before is left as it was.
    pub fn write(&self, checkpoint: &Checkpoint, keep: usize) -> Result<PathBuf, CheckpointError> {
        let directory = &self.directory;
        fs::create_dir_all(directory).map_err(io_error(directory))?;
        let partial = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempdir_in(directory)
            .map_err(io_error(directory))?;
        checkpoint.write_files(partial.path())?;
        // It is removed if it does not get its name.
        let path = self.take_place(partial.path(), checkpoint.state.version)?;
        let _ = partial.keep();
        if let Err(error) = self.retain(keep, &path) {
            tracing::warn!(%error, "cannot remove an old checkpoint");
        }
        Ok(path)
    }

    /// Gives a whole checkpoint its name. One of the same version stays under another until then.
    fn take_place(&self, whole: &Path, version: u64) -> Result<PathBuf, CheckpointError> {
        let name = name(version);
        let path = self.directory.join(&name);
        let replaced = self.directory.join(format!("{REPLACED}{name}"));
        let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(io_error(to));
        let was_there = path.exists();
        if was_there {
            rename(&path, &replaced)?;
        }
        if let Err(error) = rename(whole, &path) {
            if was_there {
                rename(&replaced, &path)?;
            }
            return Err(error);
        }
        sync_directory(&self.directory).map_err(io_error(&self.directory))?;
        if was_there && let Err(error) = fs::remove_dir_all(&replaced) {
            tracing::warn!(path = %replaced.display(), %error, "cannot remove what was replaced");
        }
        Ok(path)
    }

    fn retain(&self, keep: usize, written: &Path) -> Result<(), CheckpointError> {
        let entries = self.list()?.into_iter();
        let older = entries.filter(|entry| entry.epoch != UNKNOWN && entry.path != written);
        for Entry { path, .. } in older.skip(keep.saturating_sub(1)) {
            fs::remove_dir_all(&path).map_err(io_error(&path))?;
        }
        Ok(())
    }

    /// The newest checkpoint that is whole, with its path; none if there never was one. Damaged ones are
    /// passed over with a warning.
    ///
    /// # Errors
    /// If there are checkpoints but none is whole, or if the system does not let one be read that may well be
    /// whole: to go on from an older one would throw away what it has.
    pub fn newest(&self) -> Result<Option<Found>, CheckpointError> {
        Ok(self.search()?.0)
    }

    /// [`newest`](Self::newest), for the process that has the run: what a killed one left half-written is removed,
    /// and damaged checkpoints are set aside, so that they count as none.
    ///
    /// # Errors
    /// As `newest`; and if something cannot be renamed or removed.
    pub fn recover(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        self.clear()?;
        let (newest, damaged) = self.search()?;
        for path in damaged {
            self.set_aside(&path)?;
        }
        Ok(newest.map(|(_, checkpoint)| checkpoint))
    }

    /// The newest whole one, and the damaged ones that were passed over on the way.
    fn search(&self) -> Result<(Option<Found>, Vec<PathBuf>), CheckpointError> {
        let entries = self.list()?;
        let count = entries.len();
        let mut damaged = Vec::new();
        let mut newest_error = None;
        for Entry { path, .. } in entries {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return Ok((Some((path, checkpoint)), damaged)),
                Err(error) if !error.is_damage() => return Err(error),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "passing over a checkpoint");
                    newest_error.get_or_insert(error);
                    damaged.push(path);
                }
            }
        }
        match newest_error {
            None => Ok((None, damaged)),
            Some(newest) => Err(CheckpointError::NoneValid {
                path: self.directory.clone(),
                count,
                newest: Box::new(newest),
            }),
        }
    }

    /// Removes what a killed process left: files that were not whole, and checkpoints that were being replaced.
    fn clear(&self) -> Result<(), CheckpointError> {
        for path in self.named(|name| name.starts_with(PARTIAL))? {
            fs::remove_dir_all(&path).map_err(io_error(&path))?;
        }
        for path in self.named(|name| name.starts_with(REPLACED))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let place = self.directory.join(name.trim_start_matches(REPLACED));
            if place.exists() {
                fs::remove_dir_all(&path).map_err(io_error(&path))?;
            } else {
                fs::rename(&path, &place).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    fn set_aside(&self, path: &Path) -> Result<(), CheckpointError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.directory.join(format!("{DAMAGED}{name}"));
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(io_error(&aside))?;
        }
        fs::rename(path, &aside).map_err(io_error(path))?;
        tracing::warn!(path = %aside.display(), "a damaged checkpoint was set aside");
        let mut all = self.named(|name| name.starts_with(DAMAGED))?;
        all.sort();
        for oldest in all.iter().rev().skip(DAMAGED_KEPT) {
            fs::remove_dir_all(oldest).map_err(io_error(oldest))?;
        }
        Ok(())
    }

    /// All that have a version for a name, newest first.
    fn list(&self) -> Result<Vec<Entry>, CheckpointError> {
        let is_version = |name: &str| name.parse::<u64>().is_ok();
        let mut entries = Vec::new();
        for path in self.named(is_version)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            entries.push(Entry {
                epoch: epoch(&path)?,
                version: name.parse().unwrap_or_default(),
                path,
            });
        }
        entries.sort();
        entries.reverse();
        Ok(entries)
    }

    /// What is in the directory under such a name.
    fn named(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, CheckpointError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_error(&self.directory))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error(&self.directory))?;
            if entry.file_name().to_str().is_some_and(&wanted) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

fn name(version: u64) -> String {
    format!("{version:012}")
}

/// The life that wrote a checkpoint.
fn epoch(path: &Path) -> Result<u64, CheckpointError> {
    match Checkpoint::read_state(path) {
        Ok(state) => Ok(state.epoch),
        Err(error) if error.is_damage() => Ok(UNKNOWN),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
