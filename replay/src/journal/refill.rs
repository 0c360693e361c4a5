use std::collections::BTreeMap;

use troop_common::experience::Segment;
use troop_common::wire::Rope;

use super::entry::Entry;
use super::journal_error::JournalError;
use super::past::Past;
use crate::codec::decode_segment;
use crate::replay::{Replay, ReplayError, WriterId};
use crate::settings::ReplaySettings;

/// Gives a replay what its journal holds. Those who added it are gone: what they were amid is cut off.
pub(crate) struct Refill<'a> {
    replay: &'a Replay,
    settings: &'a ReplaySettings,
    /// By the lives in which they added, and their numbers there.
    writers: BTreeMap<(u64, u64), Writer>,
    /// Segments so far.
    added: u64,
}

struct Writer {
    id: WriterId,
    segment: Segment,
    /// Of its last segment, among all.
    place: u64,
}

impl<'a> Refill<'a> {
    pub(crate) fn of(replay: &'a Replay, settings: &'a ReplaySettings) -> Self {
        Self {
            replay,
            settings,
            writers: BTreeMap::new(),
            added: 0,
        }
    }

    /// Adds everything; says of how many segments that is.
    ///
    /// # Errors
    /// If it cannot be read, or is not what such a replay holds.
    pub(crate) fn run(mut self, past: &Past) -> Result<u64, JournalError> {
        past.read(|entry, bytes| {
            self.add(entry, bytes)
                .map_err(|error| past.of_another(&error))
        })?;
        for writer in self.writers.values() {
            self.replay.leave(writer.id);
        }
        self.replay.begin_here();
        Ok(self.added)
    }

    fn add(&mut self, entry: Entry, bytes: Rope) -> anyhow::Result<()> {
        let environments = entry.environments as usize;
        let who = (entry.life, entry.writer);
        if !self.writers.contains_key(&who) {
            let writer = self.join(environments)?;
            self.writers.insert(who, writer);
        }
        self.added += 1;
        if let Some(writer) = self.writers.get_mut(&who) {
            decode_segment(bytes, self.settings, environments, &mut writer.segment)?;
            writer.place = self.added;
            if entry.interrupted {
                self.replay.interrupt(writer.id)?;
            }
            self.replay
                .append(writer.id, entry.sequence, &writer.segment)?;
        }
        Ok(())
    }

    /// A writer; those that have added nothing for longest make room for it, as they had to then.
    fn join(&mut self, environments: usize) -> Result<Writer, ReplayError> {
        let id = loop {
            match self.replay.join(environments) {
                Err(ReplayError::TooManyEnvironments { .. }) if self.oldest_leaves() => {}
                joined => break joined?,
            }
        };
        Ok(Writer {
            id,
            segment: Segment::new(environments, &self.settings.spaces),
            place: 0,
        })
    }

    fn oldest_leaves(&mut self) -> bool {
        let oldest = self.writers.iter().min_by_key(|(_, writer)| writer.place);
        let number = oldest.map(|(number, _)| *number);
        let Some(writer) = number.and_then(|number| self.writers.remove(&number)) else {
            return false;
        };
        self.replay.leave(writer.id);
        true
    }
}
