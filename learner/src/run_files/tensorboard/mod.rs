//! TensorBoard event files: a run's progress as scalars with the tags that people know.
//!
//! The one Rust crate that writes them is no longer maintained, and little is needed: a framing
//! ([`record`]), a message ([`message`]) and the choice of scalars ([`scalars`]).

mod message;
mod record;
mod scalars;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use prost::Message;

use crate::ledger::{LifeStart, ProgressPoint};
use crate::metrics::of_count;
use message::{Event, SessionLog, Summary, What};

/// What the first event of a file says; from version 2 on a restart may be told.
const FILE_VERSION: &str = "brain.Event:2";

/// What the name of each file begins with.
const PREFIX: &str = "events.out.tfevents.";

/// A moment for the name of a file behind all that are there: TensorBoard reads files in the order of their
/// names, and a clock may have been set back since the last life.
fn later_than_all(directory: &Path) -> io::Result<u64> {
    let mut latest = 0;
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let moment = rest.and_then(|rest| rest.split('.').next()?.parse().ok());
        latest = latest.max(moment.map_or(0, |moment: u64| moment.saturating_add(1)));
    }
    Ok(latest)
}

/// Writes the event file of one life of a run. Steps are env steps.
#[derive(Debug)]
pub(crate) struct TensorBoardFile {
    file: File,
    /// Env steps of the last evaluation that was written.
    evaluated: Option<u64>,
}

impl TensorBoardFile {
    /// Makes a file in `directory`, beside those of earlier lives: TensorBoard shows all of them as
    /// one run, without what an earlier life did after the checkpoint that this one goes on from.
    pub(crate) fn create(directory: &Path, start: LifeStart) -> io::Result<Self> {
        let LifeStart {
            epoch,
            env_steps,
            unix_seconds,
        } = start;
        let moment = (unix_seconds.max(0.0) as u64).max(later_than_all(directory)?);
        let path = directory.join(format!("{PREFIX}{moment:010}.troop.{epoch}"));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut writer = Self {
            file,
            // Earlier ones stand in an earlier life's file.
            evaluated: (env_steps > 0).then_some(env_steps),
        };
        let event = |step, what| Event {
            wall_time: unix_seconds,
            step,
            what: Some(what),
        };
        writer.write(&event(0, What::FileVersion(FILE_VERSION.into())))?;
        // It forgets what has this step or a later one.
        let first = of_count(env_steps).saturating_add(1);
        writer.write(&event(first, What::SessionLog(SessionLog::start())))?;
        Ok(writer)
    }

    /// Adds the scalars of a moment.
    pub(crate) fn write_point(&mut self, point: &ProgressPoint) -> io::Result<()> {
        let wall_time = point.unix_seconds.unwrap_or_default();
        self.write_scalars(wall_time, point.env_steps, scalars::of(point))?;
        let newest = point.evaluation.as_ref();
        let new = newest.filter(|newest| self.evaluated.is_none_or(|last| last < newest.env_steps));
        let Some(evaluation) = new else {
            return Ok(());
        };
        self.evaluated = Some(evaluation.env_steps);
        let values = scalars::of_evaluation(evaluation);
        self.write_scalars(wall_time, evaluation.env_steps, values)
    }

    fn write_scalars(
        &mut self,
        wall_time: f64,
        env_steps: u64,
        values: Vec<message::Scalar>,
    ) -> io::Result<()> {
        self.write(&Event {
            wall_time,
            step: of_count(env_steps),
            what: Some(What::Summary(Summary { values })),
        })
    }

    /// Writes an event in one piece: a crash leaves whole records, but for the last one, which
    /// TensorBoard passes over.
    fn write(&mut self, event: &Event) -> io::Result<()> {
        self.file.write_all(&record::frame(&event.encode_to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_life_has_a_later_name_even_if_the_clock_was_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut made: Vec<String> = Vec::new();
        for (epoch, unix_seconds) in [(1, 2e9), (2, 1e9), (3, 1e9), (10, 2e9), (11, 3e9)] {
            let start = LifeStart {
                epoch,
                env_steps: 0,
                unix_seconds,
            };
            TensorBoardFile::create(directory.path(), start).unwrap();
            let names = directory.path().read_dir().unwrap();
            let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
            let newest = names.map(name).max().unwrap().into_string().unwrap();
            assert!(newest.ends_with(&format!(".troop.{epoch}")), "{newest}");
            made.push(newest);
        }
        assert!(made.is_sorted());
        assert_eq!(made[1], "events.out.tfevents.2000000001.troop.2");
    }
}
