use std::io;
use std::path::PathBuf;

use troop_common::experiment::{ConfigError, KeyChange};

use crate::cut::CutFailed;
use crate::run_files::checkpoint::CheckpointError;

/// What is wrong with a run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// There is no checkpoint of all shards to write.
    #[error(transparent)]
    Cut(#[from] CutFailed),
    /// It holds another run.
    #[error("run directory {} exists; choose another --run-dir or continue it with --resume", .0.display())]
    Exists(PathBuf),
    /// Something else is there.
    #[error("{} is no directory; choose another --run-dir", .0.display())]
    NoDirectory(PathBuf),
    /// It holds what no run has left.
    #[error("run directory {} holds no run, but `{found}`; choose another --run-dir, or an empty one", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The parameters of its checkpoint belong to another network, environment or method.
    #[error(
        "the run in {} cannot go on like that, for its parameters belong to what it began with: {}; \
         resume without that change, or start a new run",
        path.display(),
        list(changes)
    )]
    OtherNetwork {
        /// The directory.
        path: PathBuf,
        /// What differs.
        changes: Vec<KeyChange>,
    },
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
            Self::Exists(_)
                | Self::NoDirectory(_)
                | Self::NotEmpty { .. }
                | Self::OtherNetwork { .. }
                | Self::NoRun(_)
                | Self::Other { .. }
                | Self::Experiment(_)
        )
    }

    /// Whether a fresh run can have a directory beside this one instead.
    pub(super) fn is_taken(&self) -> bool {
        matches!(
            self,
            Self::Exists(_) | Self::NotEmpty { .. } | Self::InUse(_)
        )
    }
}

fn list(changes: &[KeyChange]) -> String {
    let texts: Vec<String> = changes.iter().map(KeyChange::to_string).collect();
    texts.join("; ")
}
