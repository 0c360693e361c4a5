use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prometheus::{IntCounter, IntGauge};
use troop_common::wire::Rope;

use super::entry::Entry;
use super::extent::Extent;
use super::head::Head;
use super::past::{MAGIC, numbers};
use super::record;

/// A file that could not be written is followed by another one after this.
const RETRY: Duration = Duration::from_secs(10);

/// A file is this part of what fills the replay.
const FILES: u64 = 4;

/// How much has to be kept: what fills the replay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) env_steps: u64,
    pub(crate) bytes: u64,
}

/// Where it shows how it fares.
#[derive(Clone, Debug)]
pub(crate) struct JournalGauges {
    /// What all files take.
    pub(crate) bytes: IntGauge,
    pub(crate) failures: IntCounter,
}

/// Writes down what a replay takes. What cannot be written is missing in the next life, and holds nobody up.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    head: Head,
    limits: Limits,
    /// Oldest first; with `open`, the last one is written to.
    extents: VecDeque<Extent>,
    open: Option<File>,
    /// After a failure, when it is tried again.
    again: Option<Instant>,
    /// The last record; its memory is used again.
    record: Vec<u8>,
    gauges: JournalGauges,
}

impl Journal {
    /// One that goes on behind the files that are there, which count as full.
    pub(crate) fn new(
        directory: &Path,
        head: Head,
        limits: Limits,
        gauges: JournalGauges,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut extents = VecDeque::new();
        for number in numbers(directory)? {
            let extent = Extent::of(number);
            let bytes = fs::metadata(extent.path(directory))?.len();
            extents.push_back(Extent { bytes, ..extent });
        }
        Ok(Self {
            directory: directory.to_owned(),
            head,
            limits,
            extents,
            open: None,
            again: None,
            record: Vec::new(),
            gauges,
        })
    }

    /// Writes down a segment.
    pub(crate) fn append(&mut self, entry: &Entry, segment: &Rope) {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        if let Err(error) = self.try_append(entry, segment) {
            self.gauges.failures.inc();
            let directory = self.directory.display();
            tracing::warn!(%error, %directory, "the journal cannot be written; experience is missing in it");
            // What is there of the record ends the file.
            self.open = None;
            self.again = Some(Instant::now() + RETRY);
        }
        let bytes: u64 = self.extents.iter().map(|extent| extent.bytes).sum();
        self.gauges
            .bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn try_append(&mut self, entry: &Entry, segment: &Rope) -> io::Result<()> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.begin_file()?,
        };
        record::fill(&mut self.record, |record| {
            entry.write(record);
            segment
                .pieces()
                .for_each(|piece| record.extend_from_slice(piece));
        });
        file.write_all(&self.record)?;
        self.again = None;
        if let Some(extent) = self.extents.back_mut() {
            extent.env_steps += u64::from(entry.env_steps);
            extent.bytes += self.record.len() as u64;
            let whole = extent.env_steps >= self.limits.env_steps / FILES
                || extent.bytes >= self.limits.bytes / FILES;
            self.open = (!whole).then_some(file);
        }
        Ok(())
    }

    /// The next file, which says what it is of; files that are not needed any more go.
    fn begin_file(&mut self) -> io::Result<File> {
        let last = self.extents.back();
        let mut extent = Extent::of(last.map_or(0, |last| last.number) + 1);
        let path = extent.path(&self.directory);
        record::fill(&mut self.record, |record| self.head.write(record));
        let mut file = File::create_new(&path)?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&self.record));
        extent.bytes = (MAGIC.len() + self.record.len()) as u64;
        // It is there even so, and its number taken.
        self.extents.push_back(extent);
        written?;
        self.remove_oldest()?;
        Ok(file)
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        while self.is_full_without_oldest() {
            if let Some(oldest) = self.extents.front() {
                match fs::remove_file(oldest.path(&self.directory)) {
                    // Somebody else has removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed?,
                }
            }
            self.extents.pop_front();
        }
        Ok(())
    }

    /// Whether files behind the oldest fill the replay.
    fn is_full_without_oldest(&self) -> bool {
        let sum = |of: fn(&Extent) -> u64| self.extents.iter().skip(1).map(of).sum::<u64>();
        self.extents.len() > 1
            && (sum(|extent| extent.env_steps) >= self.limits.env_steps
                || sum(|extent| extent.bytes) >= self.limits.bytes)
    }
}
