use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, kill_process};

use crate::output::{Output, State};
use crate::waiting::poll_until;

pub use rustix::process::Signal;

/// A process that a test started. It is killed when it is dropped.
pub struct Process {
    command: String,
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Starts a command with piped output.
    ///
    /// # Panics
    /// Where it cannot start.
    pub fn start(command: &mut Command) -> Self {
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the command must start");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let output = Output::read(stdout.expect("a pipe"), stderr.expect("a pipe"));
        Self {
            command: format!("{command:?}"),
            child,
            output,
        }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of either stream that contains `text`, and gives it.
    ///
    /// # Panics
    /// Where the process ends without it, or takes too long; shows what it wrote instead.
    pub fn wait_for(&self, text: &str) -> String {
        let look = |state: &State| {
            state
                .lines()
                .find(|line| line.contains(text))
                .map(String::from)
        };
        self.output
            .wait_for(look)
            .unwrap_or_else(|| panic!("no line has `{text}`:\n{}", self.transcript()))
    }

    /// Waits for a line with an address after `prefix`.
    ///
    /// # Panics
    /// Where there is none; shows what the process wrote instead.
    pub fn address_after(&self, prefix: &str) -> SocketAddr {
        let word = self.word_after(prefix);
        word.parse()
            .unwrap_or_else(|_| panic!("no address after `{prefix}` but `{word}`"))
    }

    /// Waits for a line with `prefix`, and gives the word after it.
    ///
    /// # Panics
    /// Where there is none; shows what the process wrote instead.
    pub fn word_after(&self, prefix: &str) -> String {
        let line = self.wait_for(prefix);
        let (_, rest) = line.split_once(prefix).unwrap_or_default();
        let word = rest.split_whitespace().next();
        word.unwrap_or_default().to_owned()
    }

    /// How many lines so far contain `text`.
    pub fn count_lines(&self, text: &str) -> usize {
        let state = self.output.so_far();
        state.lines().filter(|line| line.contains(text)).count()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a process that was not waited for takes signals");
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    /// Where the system does not know it.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// Where it takes too long; shows what it wrote.
    pub fn wait(mut self) -> Finished {
        let what = format!("the end of {}", self.command);
        let status = poll_until(&what, || self.status());
        let State { stdout, stderr, .. } = self.output.whole();
        Finished {
            command: self.command.clone(),
            status,
            stdout,
            stderr,
        }
    }

    /// Ends it as a crash does: nothing of it runs any more, nobody is told.
    ///
    /// # Panics
    /// Where it has been waited for.
    pub fn kill(self) -> Finished {
        self.signal(Signal::KILL);
        self.wait()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn transcript(&self) -> String {
        let State { stdout, stderr, .. } = self.output.so_far();
        format!("{}\n--- stdout\n{stdout}--- stderr\n{stderr}", self.command)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // Nothing is left to do where even that fails.
            let _ = self.child.kill();
            let _ = self.child.wait();
            if std::thread::panicking() {
                eprintln!("{}", self.transcript());
            }
        }
    }
}

/// A process that has ended, and what it wrote.
#[derive(Debug)]
pub struct Finished {
    command: String,
    status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Checks the exit code.
    ///
    /// # Panics
    /// Where it is another; shows what the process wrote.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.transcript());
        self
    }

    /// Checks that a stream has `text`.
    ///
    /// # Panics
    /// Where neither has; shows what the process wrote.
    #[track_caller]
    pub fn expect_text(self, text: &str) -> Self {
        let says = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(says, "expected `{text}` of {}", self.transcript());
        self
    }

    /// How many lines of the log contain `text`.
    pub fn count_lines(&self, text: &str) -> usize {
        let lines = self.stderr.lines();
        lines.filter(|line| line.contains(text)).count()
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// Where it is something else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.transcript()))
    }

    fn transcript(&self) -> String {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        format!("{command}\n{status}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}
