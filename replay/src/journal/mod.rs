//! Segments on disk, so that a replay that starts again holds what it held.
//!
//! A directory holds numbered files. A file begins with what the replay is; then come segments in the order in which they were
//! added, in the bytes in which they came over the network, each with its length and its checksum. A file that is long enough
//! is followed by the next one, and the oldest goes once those behind it fill the replay.

mod entry;
mod extent;
mod head;
mod journal_error;
mod past;
mod record;
mod refill;
mod writing;

pub(crate) use entry::Entry;
pub(crate) use head::Head;
pub use journal_error::JournalError;
pub(crate) use past::Past;
pub(crate) use refill::Refill;
pub(crate) use writing::{Journal, JournalGauges, Limits};

#[cfg(test)]
mod tests;
