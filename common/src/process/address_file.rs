use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that says where a process listens, for those who start others: port 0 takes a port that nobody knows before.
///
/// It has a line for each service, `NAME URL`. It appears once they listen, and is whole then.
#[derive(Debug)]
pub struct AddressFile {
    path: PathBuf,
}

impl AddressFile {
    /// A file that is yet to be written. One that an earlier life left there is removed: it would lead elsewhere.
    ///
    /// # Errors
    /// If what is there cannot be removed.
    pub fn at(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(Self { path: path.into() }),
        }
    }

    /// Writes what is listened on.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, services: &[(&str, &dyn Display)]) -> io::Result<()> {
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        for (name, url) in services {
            writeln!(file, "{name} {url}")?;
        }
        file.persist(&self.path)?;
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_listened_on_and_nothing_of_an_earlier_life() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("address");
        fs::write(&path, "gRPC http://127.0.0.1:1\n").unwrap();
        let file = AddressFile::at(&path).unwrap();
        assert!(!path.exists());
        file.write(&[("gRPC", &"http://127.0.0.1:2"), ("HTTP", &3)])
            .unwrap();
        let written = fs::read_to_string(file.path()).unwrap();
        assert_eq!(written, "gRPC http://127.0.0.1:2\nHTTP 3\n");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let file = AddressFile::at(&scratch.path().join("nowhere/address")).unwrap();
        assert_eq!(file.write(&[]).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
