//! What a host writes to its standard error, which is where everything goes that an environment prints.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const KEPT_LINES: usize = 50;
/// Begins a warning of Python's; see `actor/python/troop_gym_host/python_warnings.py`.
const WARNING: &str = "troop-warning: ";
const LONGEST_LINE: u64 = 2_000;
/// How long to wait for the last words of a host that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Passes the lines on to the log and keeps the last of them for the message of a host that dies.
pub(super) struct StderrLog {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: Receiver<()>,
}

impl StderrLog {
    /// Reads until the other side closes, in a thread of its own.
    pub(super) fn follow(stderr: ChildStderr, environment: String) -> std::io::Result<Self> {
        let lines = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT_LINES)));
        let kept = Arc::clone(&lines);
        let (alive, ended) = channel::<()>();
        std::thread::Builder::new()
            .name("gym-host-stderr".into())
            .spawn(move || {
                read_lines(stderr, |line| {
                    match line.strip_prefix(WARNING) {
                        Some(text) => tracing::warn!(environment, "{text}"),
                        None => {
                            tracing::debug!(environment, line = line.as_str(), "gymnasium host");
                        }
                    }
                    keep(&kept, line);
                });
                drop(alive);
            })?;
        Ok(Self { lines, ended })
    }

    /// The last lines of a host that has ended, oldest first.
    pub(super) fn last_words(&self) -> String {
        // Disconnected when the thread has read all there is; a process that the environment left behind may hold the
        // other side open, hence the limit.
        let _ = self.ended.recv_timeout(LAST_WORDS);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn keep(lines: &Mutex<VecDeque<String>>, line: String) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

fn read_lines(stderr: ChildStderr, mut each: impl FnMut(String)) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!(
        reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line),
        Ok(1..)
    ) {
        each(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        line.clear();
    }
}
