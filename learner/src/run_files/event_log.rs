//! `events.jsonl`: a run's history, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::run_files::history::Line;

/// Appends to a run's history; a resumed run goes on in the same file.
#[derive(Debug)]
pub(crate) struct EventLog {
    file: File,
}

impl EventLog {
    /// Opens the log. A line that a crash has torn is ended, so that the next one is whole.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).open(path)?;
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self { file })
    }

    /// Writes one line in one piece, so that a crash leaves whole lines.
    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_files::history::{HistoryReader, ProgressPoint};

    fn write(path: &Path, env_steps: u64) {
        let point = ProgressPoint {
            env_steps,
            ..ProgressPoint::default()
        };
        let mut log = EventLog::open(path).unwrap();
        log.write(&Line::Progress(Box::new(point))).unwrap();
    }

    #[test]
    fn a_resumed_run_goes_on_even_after_a_torn_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        write(&path, 10);
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(br#"{"kind":"prog"#).unwrap();
        write(&path, 20);
        let mut reader = HistoryReader::new(&path);
        assert!(reader.refresh().unwrap());
        let points = reader.history().points().iter();
        let steps: Vec<u64> = points.map(|point| point.env_steps).collect();
        assert_eq!(steps, [10, 20]);
    }
}
