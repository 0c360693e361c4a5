//! The control channel: commands to a host, replies from it, each within a time limit.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A line longer than this is not a message of ours.
const LONGEST_LINE: usize = 1 << 20;

/// Both pipes of a host.
pub(super) struct Channel {
    commands: ChildStdin,
    replies: ChildStdout,
}

impl Channel {
    pub(super) fn new(commands: ChildStdin, replies: ChildStdout) -> Self {
        Self { commands, replies }
    }

    /// Sends bytes; they are few enough to fit into the pipe of a host that does not read.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.commands.write_all(bytes)
    }

    /// Sends one JSON line.
    pub(super) fn send_line(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.send(&line)
    }

    /// Receives one byte.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] after `deadline`, [`ErrorKind::UnexpectedEof`] once the host has closed its side.
    pub(super) fn receive(&mut self, deadline: Instant) -> io::Result<u8> {
        self.wait(deadline)?;
        let mut byte = [0];
        self.replies.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// Receives one JSON line.
    ///
    /// # Errors
    /// As [`Channel::receive`]; [`ErrorKind::InvalidData`] for what is not such a message.
    pub(super) fn receive_line<T: DeserializeOwned>(&mut self, deadline: Instant) -> io::Result<T> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() > LONGEST_LINE {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "a reply without an end",
                ));
            }
            self.wait(deadline)?;
            // A host sends nothing unasked, so what is there ends with this line.
            let mut chunk = [0; 4096];
            match self.replies.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => line.extend_from_slice(&chunk[..read]),
            }
        }
        serde_json::from_slice(&line).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    fn wait(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut replies = [PollFd::new(&self.replies, PollFlags::IN)];
            match poll(&mut replies, Some(&timespec(left))) {
                Ok(0) => return Err(ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
