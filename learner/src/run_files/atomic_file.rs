//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What every file of a run begins with that is not whole yet; a start removes those of a process that was
/// killed.
pub(crate) const PARTIAL: &str = ".partial-";

/// Read and written as the user's mask allows: temporary files are for their owner alone otherwise.
const MODE: u32 = 0o666;

/// Replaces the file at `path`: a crash leaves the old one or the new one.
///
/// # Errors
/// If it cannot be written; the old one is left as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(PARTIAL)
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(directory)
}

/// Makes what happened in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_and_has_the_mode_of_one_that_was_just_created() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"first").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let other = directory.path().join("other");
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
