//! Who adds to a replay.

use std::collections::BTreeMap;

use super::replay_error::ReplayError;
use super::writer_id::WriterId;

/// A worker that acts.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Numbers of its environments in the replay, `[E]`.
    pub(crate) streams: Vec<usize>,
    /// Sequence number of its last segment.
    pub(crate) sequence: Option<u64>,
    /// What it was told that it may add.
    pub(crate) reserved: u64,
}

/// Those that are there, and numbers of environments that are free.
#[derive(Debug)]
pub(crate) struct Writers {
    all: BTreeMap<WriterId, Writer>,
    next: u64,
    free: Vec<usize>,
    most_environments: usize,
}

impl Writers {
    pub(crate) fn new(most_environments: usize) -> Self {
        Self {
            all: BTreeMap::new(),
            next: 0,
            free: (0..most_environments).rev().collect(),
            most_environments,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Environments of all writers.
    pub(crate) fn environments(&self) -> usize {
        self.most_environments - self.free.len()
    }

    /// A writer with so many environments.
    ///
    /// # Errors
    /// If there is no room for them.
    pub(crate) fn join(&mut self, environments: usize) -> Result<WriterId, ReplayError> {
        let free = self.free.len();
        if environments > free {
            return Err(ReplayError::TooManyEnvironments {
                found: environments,
                free,
                most: self.most_environments,
            });
        }
        let id = WriterId(self.next);
        self.next += 1;
        let mut streams = self.free.split_off(free - environments);
        streams.sort_unstable();
        let writer = Writer {
            streams,
            sequence: None,
            reserved: 0,
        };
        self.all.insert(id, writer);
        Ok(id)
    }

    /// A writer is there no more; its environments' numbers are free.
    pub(crate) fn leave(&mut self, id: WriterId) -> Option<Writer> {
        let writer = self.all.remove(&id)?;
        self.free.extend(&writer.streams);
        Some(writer)
    }

    /// # Errors
    /// If it is not there.
    pub(crate) fn get(&mut self, id: WriterId) -> Result<&mut Writer, ReplayError> {
        self.all.get_mut(&id).ok_or(ReplayError::NoSuchWriter(id))
    }
}
