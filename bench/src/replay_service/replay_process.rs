use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use crate::exposition::Exposition;
use crate::program::Program;

/// A real replay in a process of its own.
pub(super) struct ReplayProcess {
    program: Program,
    pub(super) url: String,
    http: SocketAddr,
}

impl ReplayProcess {
    /// Starts one of so many bytes, with a journal below a directory if one is given, and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program or directory, or it ends instead.
    pub(super) fn start(bytes: u64, journal: Option<&Path>) -> anyhow::Result<Self> {
        let bytes = format!("topology.replay_bytes={bytes}");
        let arguments = ["--experiment", "cartpole", "--http", "127.0.0.1:0"];
        let arguments = arguments
            .into_iter()
            .chain(["--log", "warn", "--set", &bytes]);
        let directory = journal.map_or_else(TempDir::new, TempDir::new_in);
        let directory = directory.context("cannot make a temporary directory")?;
        let own = directory.path().join("journal").into_os_string();
        let kept = journal.map(|_| ["--journal".into(), own]);
        let arguments = arguments.map(OsString::from);
        let arguments = arguments.chain(kept.into_iter().flatten());
        let mut program = Program::start("replay-process", arguments, directory)?;
        // It says HTTP first.
        let http = program.http_after("HTTP")?;
        Ok(Self {
            url: program.word_after("gRPC")?,
            program,
            http,
        })
    }

    /// What its `/metrics` shows.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) fn metrics(&self) -> anyhow::Result<Exposition> {
        self.program.metrics(self.http)
    }

    /// The most memory that it has had at once, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn peak_memory_bytes(&self) -> anyhow::Result<u64> {
        self.program.peak_memory_bytes()
    }
}
