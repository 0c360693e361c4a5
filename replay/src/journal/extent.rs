use std::path::{Path, PathBuf};

/// How much is in a file of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(super) number: u64,
    pub(super) env_steps: u64,
    pub(super) bytes: u64,
}

impl Extent {
    /// Of file `number`, of which nothing has been read or written.
    pub(super) fn of(number: u64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Where the file is.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:010}.journal", self.number))
    }

    /// The number of the file with that name, if it is one of a journal.
    pub(super) fn number_of(path: &Path) -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        name.strip_suffix(".journal")?.parse().ok()
    }
}
