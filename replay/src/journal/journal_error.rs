use std::io;
use std::path::{Path, PathBuf};

/// Why a replay cannot begin with what its journal holds.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or the directory cannot be read.
    #[error("cannot read the journal in {}: {source}", path.display())]
    Io {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is of something else.
    #[error(
        "the journal in {} is not of this replay: {why}. Name another directory, or remove it to begin with nothing",
        path.display()
    )]
    OfAnother {
        /// The directory.
        path: PathBuf,
        /// What differs.
        why: String,
    },
}

impl JournalError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
