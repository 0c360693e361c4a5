//! Bytes in a file, so that it is known whether they are whole: their length, their checksum (CRC-32), then they.

use std::io::{self, ErrorKind, Read};

use crate::codec::LARGEST_SEGMENT;

/// What no record is longer than: the largest segment, and who added it.
const LONGEST: usize = LARGEST_SEGMENT as usize + (1 << 10);

/// Bytes before what is recorded.
const BEFORE: usize = 8;

/// Replaces what is in `record` by a record of what `write` writes.
pub(super) fn fill(record: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    record.clear();
    record.resize(BEFORE, 0);
    write(record);
    let content = &record[BEFORE..];
    let (len, checksum) = (content.len() as u32, crc32fast::hash(content));
    record[..4].copy_from_slice(&len.to_le_bytes());
    record[4..BEFORE].copy_from_slice(&checksum.to_le_bytes());
}

/// What the next record holds; none at the end, or if the rest is no whole record.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn next(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut before = [0; BEFORE];
    if !read_whole(file, &mut before)? {
        return Ok(None);
    }
    let [len, checksum] = [0, 4].map(|at| {
        let bytes = before[at..at + 4].try_into().unwrap_or_default();
        u32::from_le_bytes(bytes)
    });
    if len as usize > LONGEST {
        return Ok(None);
    }
    let mut content = vec![0; len as usize];
    let whole = read_whole(file, &mut content)? && crc32fast::hash(&content) == checksum;
    Ok(whole.then_some(content))
}

/// Whether there was as much as that.
fn read_whole(file: &mut impl Read, to: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
