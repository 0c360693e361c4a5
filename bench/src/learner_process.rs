use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use troop_common::address::Address;

use super::certificates::Certificates;
use super::exposition::Exposition;
use super::program::Program;

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

/// A real learner in a process of its own.
pub(super) struct LearnerProcess {
    program: Program,
    url: String,
    http: SocketAddr,
    certificates: Option<Certificates>,
}

impl LearnerProcess {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program, or it ends instead.
    pub(super) fn start(transport: Transport, settings: &[String]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        let listen = match transport {
            Transport::Unix => Address::Unix(directory.path().join("learner.sock")),
            Transport::Tcp | Transport::Tls => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        };
        let certificates = match transport {
            Transport::Tls => Some(Certificates::write(directory.path())?),
            Transport::Tcp | Transport::Unix => None,
        };
        let security = certificates.iter().flat_map(Certificates::settings);
        let all = SETTINGS.map(str::to_owned).into_iter();
        let all = all.chain(settings.iter().cloned()).chain(security);
        let mut arguments: Vec<OsString> = vec![
            "--experiment".into(),
            "cartpole".into(),
            "--run-dir".into(),
            directory.path().join("run").into(),
            "--listen".into(),
            listen.to_string().into(),
        ];
        arguments.extend(all.flat_map(|setting| ["--set".into(), setting.into()]));
        let mut program = Program::start("learner", arguments, directory)?;
        let url = program.word_after("gRPC")?;
        let http = program.http_after("HTTP")?;
        Ok(Self {
            program,
            url,
            http,
            certificates,
        })
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
        self.program.metrics(self.http)
    }

    /// CPU time that it has used, in seconds.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.program.cpu_seconds()
    }

    /// The most memory that it has had at once, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn peak_memory_bytes(&self) -> anyhow::Result<u64> {
        self.program.peak_memory_bytes()
    }
}
