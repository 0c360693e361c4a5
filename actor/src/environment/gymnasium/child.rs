//! The Python process itself: how it is started, spoken to and ended.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use serde::de::DeserializeOwned;
use troop_common::descriptors;
use troop_common::experiment::EnvironmentSettings;

use super::channel::Channel;
use super::error::Error;
use super::handshake::Reply;
use super::interpreter;
use super::stderr_log::StderrLog;

const CLOSE: u8 = b'C';
const OK: u8 = b'k';

/// What a host gets for ending by itself.
const CLOSING: Duration = Duration::from_secs(1);
/// Libraries that would otherwise start a thread for each core in every host.
const THREAD_LIMITS: [&str; 3] = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// The child process and its pipes. Dropping it ends it.
pub(super) struct RunningChild {
    process: Child,
    pub(super) channel: Channel,
    stderr: StderrLog,
    ended: bool,
}

impl RunningChild {
    /// Starts Python; a message for a person where there is none.
    pub(super) fn spawn(settings: &EnvironmentSettings) -> Result<Self, String> {
        let python = interpreter::find(settings.python.as_deref());
        let refuse = |error: io::Error| {
            let advice = advice(&error);
            format!("cannot run {}: {error}; {advice}", python.display())
        };
        let mut process = command(&python).spawn().map_err(refuse)?;
        let pipes = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(refuse(io::Error::other("it has no pipes")));
        };
        let stderr = StderrLog::follow(stderr, settings.id.clone()).map_err(refuse)?;
        Ok(Self {
            process,
            channel: Channel::new(stdin, stdout),
            stderr,
            ended: false,
        })
    }

    /// Receives one line of the handshake.
    pub(super) fn receive_message<T: DeserializeOwned>(
        &mut self,
        deadline: Instant,
    ) -> Result<T, Error> {
        match self.channel.receive_line(deadline)? {
            Reply::Message(message) => Ok(message),
            Reply::Failure(failure) => Err(Error::Failure(failure)),
        }
    }

    /// Has a command done.
    pub(super) fn run(&mut self, command: &[u8], deadline: Instant) -> Result<(), Error> {
        self.channel.send(command)?;
        match self.channel.receive(deadline)? {
            OK => Ok(()),
            _ => Err(Error::Failure(self.channel.receive_line(deadline)?)),
        }
    }

    /// What it wrote last, for the message of one that has ended.
    pub(super) fn last_words(&self) -> String {
        self.stderr.last_words()
    }

    /// How a host ended that closed its channel.
    pub(super) fn wait_or_kill(&mut self) -> String {
        let deadline = Instant::now() + CLOSING;
        while !self.has_exited() {
            if Instant::now() > deadline {
                self.kill();
                return "its channel closed".into();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill()
            .map_or_else(|| "an unknown status".into(), |status| status.to_string())
    }

    /// Whether the host has exited by itself; it still has to be waited for then.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.group()
            .is_some_and(|id| matches!(waitid(WaitId::Pid(id), options), Ok(Some(_))))
    }

    /// Ends the host at once, with all that the environment may have started.
    pub(super) fn kill(&mut self) -> Option<ExitStatus> {
        // Only before waiting for it: afterwards the id may be somebody else's.
        if !std::mem::replace(&mut self.ended, true)
            && let Some(host) = self.group()
        {
            // Its supervisor ends all that the environment has started, in whatever session, and then itself.
            let _ = kill_process(host, Signal::TERM);
            let deadline = Instant::now() + CLOSING;
            while !self.has_exited() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = kill_process_group(host, Signal::KILL);
        }
        self.process.wait().ok()
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The host leads a process group that has its id.
    fn group(&self) -> Option<Pid> {
        i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        // Its side of the channel closes when it ends.
        if !self.ended && self.channel.send(&[CLOSE]).is_ok() {
            let _ = self.channel.receive(Instant::now() + CLOSING);
        }
        self.kill();
    }
}

/// What to do about a host that cannot be started.
fn advice(error: &io::Error) -> &'static str {
    if descriptors::is_exhausted(error) {
        "raise the limit of open files (`ulimit -Hn`), or use fewer workers"
    } else if error.kind() == io::ErrorKind::WouldBlock {
        "raise the limit of processes (`ulimit -u`), or use fewer workers"
    } else {
        "run `make setup`, or name an interpreter that has Gymnasium (environment.python, or --python of an actor)"
    }
}

fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "troop_gym_host"])
        .env("PYTHONUNBUFFERED", "1")
        // The current directory comes last (Python 3.11 and newer): nothing there stands in for a library.
        .env("PYTHONSAFEPATH", "1");
    if let Some(path) = python_path() {
        command.env("PYTHONPATH", path);
    }
    for limit in THREAD_LIMITS {
        if std::env::var_os(limit).is_none() {
            command.env(limit, "1");
        }
    }
    // A process group of its own: Ctrl-C is for the actor, which drains before it closes its hosts.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

/// The user's `PYTHONPATH` with the host's package in front, where there is a checkout.
fn python_path() -> Option<OsString> {
    let package = interpreter::package_directory()?;
    let inherited = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let paths = std::iter::once(package).chain(std::env::split_paths(&inherited));
    std::env::join_paths(paths.filter(|path| !path.as_os_str().is_empty())).ok()
}
