use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use troop_common::wire::Rope;

use super::entry::Entry;
use super::extent::Extent;
use super::head::Head;
use super::journal_error::JournalError;
use super::record;

/// What a file of a journal begins with.
pub(super) const MAGIC: &[u8; 8] = b"troopj01";

/// A journal that an earlier life has left.
pub(crate) struct Past {
    directory: PathBuf,
    /// Of the newest file; older ones that are of something else do not count.
    pub(crate) head: Head,
    /// Oldest first.
    numbers: Vec<u64>,
}

impl Past {
    /// That which is in a directory; none if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn find(directory: &Path) -> Result<Option<Self>, JournalError> {
        let mut newest: Option<Self> = None;
        let numbers = numbers(directory).map_err(JournalError::io(directory))?;
        for number in numbers.into_iter().rev() {
            let path = Extent::of(number).path(directory);
            // One that was cut off while it was begun has none.
            let Some((head, _)) = open(&path).map_err(JournalError::io(&path))? else {
                continue;
            };
            let past = newest.get_or_insert_with(|| Self {
                directory: directory.to_owned(),
                head: head.clone(),
                numbers: Vec::new(),
            });
            if head == past.head {
                past.numbers.insert(0, number);
            }
        }
        Ok(newest)
    }

    /// Gives `each` what was added, in order. A file that was cut off ends where it was.
    ///
    /// # Errors
    /// If it cannot be read, or by `each`.
    pub(crate) fn read(
        &self,
        mut each: impl FnMut(Entry, Rope) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        for number in &self.numbers {
            let path = Extent::of(*number).path(&self.directory);
            let Some((_, mut file)) = open(&path).map_err(JournalError::io(&path))? else {
                continue;
            };
            while let Some(found) = record::next(&mut file).map_err(JournalError::io(&path))? {
                let mut bytes = Rope::from(found);
                if let Some(entry) = Entry::take(&mut bytes) {
                    each(entry, bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Why it is not of this replay.
    pub(crate) fn of_another(&self, why: &dyn Display) -> JournalError {
        JournalError::OfAnother {
            path: self.directory.clone(),
            why: why.to_string(),
        }
    }
}

/// Numbers of a directory's files, in ascending order; none if there is no directory.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let files = match fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for file in files {
        numbers.extend(Extent::number_of(&file?.path()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a file is of, and the file behind that; none if it does not say.
fn open(path: &Path) -> io::Result<Option<(Head, BufReader<File>)>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut magic = Vec::new();
    (&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut magic)?;
    if magic != MAGIC {
        return Ok(None);
    }
    let head = record::next(&mut file)?;
    let head = head.and_then(|bytes| Head::read(&bytes));
    Ok(head.map(|head| (head, file)))
}
