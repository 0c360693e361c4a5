use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;
use troop_common::process::become_program;

use super::exposition::Exposition;
use super::place::Place;
use super::process_usage;

/// What a program does not answer within is a failure of the bench.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// One of Troop's programs in a process of its own, as users run it. It is killed when it is dropped, and its files go;
/// where this process is killed it ends as well.
pub(super) struct Program {
    name: &'static str,
    child: Child,
    /// Kept open: it may still write.
    stdout: BufReader<ChildStdout>,
    directory: TempDir,
}

/// What a program is started with.
#[derive(Args)]
pub(crate) struct ProgramArgs {
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    arguments: Vec<OsString>,
}

impl ProgramArgs {
    /// Makes this process that program: one that ends with its parent must have asked for that itself.
    ///
    /// # Errors
    /// If there is no such program; otherwise it never returns.
    pub(super) fn become_program(&self, name: &'static str) -> anyhow::Result<()> {
        Err(become_program(name, &self.arguments).into())
    }
}

impl Program {
    /// Starts `troop bench NAME ARGUMENTS…`, which becomes the program, untouched by settings from the environment. Its
    /// files lie in `directory`.
    ///
    /// # Errors
    /// If this program cannot be started once more.
    pub(super) fn start(
        name: &'static str,
        arguments: impl IntoIterator<Item = OsString>,
        directory: TempDir,
    ) -> anyhow::Result<Self> {
        Self::start_at(&Place::default(), name, arguments, directory)
    }

    /// The same in a place of its own.
    ///
    /// # Errors
    /// If this program cannot be started once more there.
    pub(super) fn start_at(
        place: &Place,
        name: &'static str,
        arguments: impl IntoIterator<Item = OsString>,
        directory: TempDir,
    ) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this program's file")?;
        let mut command = place.command(&this);
        let own = std::env::vars_os().map(|(name, _)| name);
        for variable in own.filter(|name| name.to_string_lossy().starts_with("TROOP__")) {
            command.env_remove(variable);
        }
        let mut child = command
            .arg(name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(directory.path().join("log"))?)
            .spawn()
            .context("cannot start this program once more")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        Ok(Self {
            name,
            child,
            stdout: BufReader::new(stdout),
            directory,
        })
    }

    /// Waits for the line that begins with a word, and gives the rest of it.
    ///
    /// # Errors
    /// If it ends instead: with what it said.
    pub(super) fn word_after(&mut self, prefix: &str) -> anyhow::Result<String> {
        if let Some(rest) = rest_of_line(&mut self.stdout, prefix) {
            return Ok(rest);
        }
        let _ = self.child.kill();
        let status = self.child.wait()?;
        let log = fs::read_to_string(self.directory.path().join("log"))?;
        anyhow::bail!(
            "the {} did not start ({status}): {}",
            self.name,
            log.trim_end()
        )
    }

    /// Waits for the address of HTTP that stands behind a word.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn http_after(&mut self, prefix: &str) -> anyhow::Result<SocketAddr> {
        let url = self.word_after(prefix)?;
        let rest = url.strip_prefix("http://");
        let address = rest.and_then(|rest| rest.split('/').next());
        let address = address.and_then(|address| address.parse().ok());
        address.with_context(|| format!("cannot read the address of the {}, {url}", self.name))
    }

    /// What `/metrics` at its address shows.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) fn metrics(&self, http: SocketAddr) -> anyhow::Result<Exposition> {
        let text = get(http, "/metrics");
        let text = text.with_context(|| format!("the {} does not show its metrics", self.name))?;
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

impl Drop for Program {
    fn drop(&mut self) {
        // Killed, not told: a last checkpoint would be written for nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rest of the first line that begins so. None if it ends before.
fn rest_of_line(stdout: &mut impl BufRead, prefix: &str) -> Option<String> {
    let lines = stdout.lines().map_while(Result::ok);
    let mut rest = lines.filter_map(|line| Some(line.strip_prefix(prefix)?.trim().to_owned()));
    rest.next()
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
    fn addresses_are_found_among_the_first_lines() {
        let mut text =
            "gRPC  http://127.0.0.1:1\nHTTP  http://127.0.0.1:2\nrun   runs/a\n".as_bytes();
        let mut after = |prefix| rest_of_line(&mut text, prefix);
        assert_eq!(after("gRPC").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(after("HTTP").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(after("HTTP"), None);
    }
}
