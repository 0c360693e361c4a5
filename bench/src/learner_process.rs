use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;
use troop_common::address::Address;
use troop_common::process::become_program;

use super::certificates::Certificates;
use super::exposition::Exposition;
use super::process_usage;

const PROGRAM: &str = "troop-learner";

/// What the learner does not answer within is a failure of the bench.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Settings that every bench has: nothing ends the run, refuses a gradient for its age, or writes
/// to the disk meanwhile.
const SETTINGS: [&str; 6] = [
    "experiment.name=bench",
    "experiment.total_env_steps=1000000000000000",
    "learner.http=127.0.0.1:0",
    "learner.max_staleness_updates=1000000000000",
    "checkpoint.interval_s=86400",
    "telemetry.log=warn",
];

/// How a learner is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A port of loopback.
    Tcp,
    /// A port of loopback, with TLS and a throw-away certificate.
    Tls,
    /// A Unix socket.
    Unix,
}

/// A real learner in a process of its own. It is killed when it is dropped, and its files go; where
/// this process is killed it ends as well.
pub(super) struct LearnerProcess {
    child: Child,
    /// Kept open: the learner may still write.
    _stdout: BufReader<ChildStdout>,
    url: String,
    http: SocketAddr,
    certificates: Option<Certificates>,
    _directory: TempDir,
}

impl LearnerProcess {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program, or it ends instead.
    pub(super) fn start(transport: Transport, settings: &[String]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        let log = directory.path().join("learner.log");
        let listen = match transport {
            Transport::Unix => Address::Unix(directory.path().join("learner.sock")),
            Transport::Tcp | Transport::Tls => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        };
        let certificates = match transport {
            Transport::Tls => Some(Certificates::write(directory.path())?),
            Transport::Tcp | Transport::Unix => None,
        };
        let security = certificates.iter().flat_map(Certificates::settings);
        let settings = settings.iter().cloned().chain(security);
        let mut child = command(directory.path())?
            .args(["--listen", &listen.to_string()])
            .args(settings.flat_map(|setting| ["--set".to_owned(), setting]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start this program once more")?;
        let mut stdout = BufReader::new(child.stdout.take().context("its output is piped")?);
        match addresses(&mut stdout) {
            Some((url, http)) => Ok(Self {
                child,
                _stdout: stdout,
                url,
                http,
                certificates,
                _directory: directory,
            }),
            None => {
                let _ = child.kill();
                let status = child.wait()?;
                let log = fs::read_to_string(log)?;
                anyhow::bail!("the learner did not start ({status}): {}", log.trim_end())
            }
        }
    }

    /// What senders are told.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The CA that senders must trust, and their own certificate, if the learner speaks TLS.
    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// What its `/metrics` shows.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) fn metrics(&self) -> anyhow::Result<Exposition> {
        let text = get(self.http, "/metrics").context("the learner does not show its metrics")?;
        Exposition::parse(&text)
    }

    /// CPU time that it has used, in seconds.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process_usage::cpu_seconds(self.child.id())
    }

    /// The most memory that it has had at once, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn peak_memory_bytes(&self) -> anyhow::Result<u64> {
        process_usage::peak_memory_bytes(self.child.id())
    }
}

impl Drop for LearnerProcess {
    fn drop(&mut self) {
        // Killed, not told: a last checkpoint would be written for nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with what every bench has, untouched by settings from the environment.
fn command(directory: &Path) -> anyhow::Result<Command> {
    let this = std::env::current_exe().context("cannot find this program's file")?;
    let mut command = Command::new(this);
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("TROOP__")) {
        command.env_remove(name);
    }
    command
        .args(["learner", "--experiment", "cartpole"])
        .arg("--run-dir")
        .arg(directory.join("run"))
        .args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
    Ok(command)
}

/// What the learner is started with.
#[derive(Args)]
pub(crate) struct LearnerArgs {
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    arguments: Vec<OsString>,
}

/// Makes this process the learner: one that ends with its parent must have asked for that itself.
///
/// # Errors
/// If there is no such program; otherwise it never returns.
pub(super) fn become_learner(args: &LearnerArgs) -> anyhow::Result<()> {
    Err(become_program(PROGRAM, &args.arguments).into())
}

/// What the learner says first: where it listens for gRPC and for HTTP. None if it ends.
fn addresses(stdout: &mut impl BufRead) -> Option<(String, SocketAddr)> {
    let mut word_after = |prefix: &str| {
        let lines = stdout.by_ref().lines().map_while(Result::ok);
        let mut rest = lines.filter_map(|line| Some(line.strip_prefix(prefix)?.trim().to_owned()));
        rest.next()
    };
    let url = word_after("gRPC")?;
    let http = word_after("HTTP")?;
    Some((url, http.strip_prefix("http://")?.parse().ok()?))
}

/// The body of the answer to a plain GET.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP came")?;
    let status = head.lines().next().unwrap_or_default();
    anyhow::ensure!(status.contains(" 200 "), "found `{status}`; expected 200");
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_are_found_among_the_first_lines() {
        let mut text =
            "gRPC  http://127.0.0.1:1\nHTTP  http://127.0.0.1:2\nrun   runs/a\n".as_bytes();
        let (url, http) = addresses(&mut text).unwrap();
        assert_eq!(url, "http://127.0.0.1:1");
        assert_eq!(http, "127.0.0.1:2".parse().unwrap());
        let mut unix = "gRPC  unix:/tmp/a\nHTTP  http://127.0.0.1:2\n".as_bytes();
        assert_eq!(addresses(&mut unix).unwrap().0, "unix:/tmp/a");
        assert_eq!(
            addresses(&mut "gRPC  http://127.0.0.1:1\n".as_bytes()),
            None
        );
    }
}
