use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::{History, Line};

/// A longer line is passed over: there is none in a log that this software wrote, but older versions
/// kept whatever name a loss had.
const LONGEST_LINE_BYTES: u64 = 1 << 20;

/// Reads a history from an event log, and what is appended to it later. It takes no lock: the run
/// may be going on.
#[derive(Debug)]
pub struct HistoryReader {
    path: PathBuf,
    /// Bytes of whole lines read so far.
    position: u64,
    history: History,
}

impl HistoryReader {
    /// A reader of the event log at `path`; nothing has been read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            position: 0,
            history: History::default(),
        }
    }

    /// Reads what was appended since the last call; whether there was anything. A log that got
    /// shorter is read from its start; one that is not there yet is empty.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let length = file.metadata()?.len();
        if length < self.position {
            self.position = 0;
            self.history = History::default();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let before = self.position;
        self.read_lines(BufReader::new(file))?;
        Ok(self.position != before)
    }

    /// What has been read.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What has been read, for somebody who goes on with it.
    pub fn into_history(self) -> History {
        self.history
    }

    /// A last line without its end is still being written, or was torn by a crash: it waits.
    fn read_lines(&mut self, mut reader: BufReader<File>) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let mut start = (&mut reader).take(LONGEST_LINE_BYTES);
            let length = start.read_until(b'\n', &mut bytes)? as u64;
            if bytes.ends_with(b"\n") {
                self.position += length;
                self.push(&bytes);
            } else if length < LONGEST_LINE_BYTES {
                return Ok(());
            } else if let Some(rest) = skip_line(&mut reader)? {
                self.position += length + rest;
                tracing::warn!(path = %self.path.display(), bytes = length + rest, "passing over a line of the event log that is too long");
            } else {
                return Ok(());
            }
            bytes.clear();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match Line::parse(&text) {
            Ok(line) => self.history.push(line),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "passing over a damaged line of the event log");
            }
        }
    }
}

/// Passes over the rest of a line; gives its bytes, or none if its end has not come.
fn skip_line(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let passed = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(passed);
        skipped += passed as u64;
        match (end, passed) {
            (Some(_), _) => return Ok(Some(skipped)),
            (None, 0) => return Ok(None),
            (None, _) => {}
        }
    }
}
