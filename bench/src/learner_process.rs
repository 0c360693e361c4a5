use std::ffi::OsString;
use std::net::SocketAddr;

use anyhow::Context;
use tempfile::TempDir;
use troop_common::address::Address;

use super::certificates::Certificates;
use super::exposition::Exposition;
use super::place::Place;
use super::program::Program;

/// Settings that every bench has: nothing ends the run, refuses a gradient for its age, or writes
/// to the disk meanwhile.
const SETTINGS: [&str; 6] = [
    "experiment.name=bench",
    "experiment.total_env_steps=1000000000000000",
    HTTP,
    "learner.max_staleness_updates=1000000000000",
    "checkpoint.interval_s=86400",
    LOG,
];

const HTTP: &str = "learner.http=127.0.0.1:0";
const LOG: &str = "telemetry.log=warn";

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
    /// Starts the only one of a run and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program, or it ends instead.
    pub(super) fn start(transport: Transport, settings: &[String]) -> anyhow::Result<Self> {
        Self::lead(transport, &Place::default(), settings)
    }

    /// Starts the one that has the run, in its place, and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program, or it ends instead.
    pub(super) fn lead(
        transport: Transport,
        place: &Place,
        settings: &[String],
    ) -> anyhow::Result<Self> {
        let directory = temporary_directory()?;
        let certificates = match transport {
            Transport::Tls => Some(Certificates::write(directory.path())?),
            Transport::Tcp | Transport::Unix => None,
        };
        let run = directory.path().join("run").into();
        let role = [
            "--experiment".into(),
            "cartpole".into(),
            "--run-dir".into(),
            run,
        ];
        let all = SETTINGS.iter().map(|&setting| setting.to_owned());
        let all = all.chain(settings.iter().cloned()).collect();
        let launch = Launch {
            transport,
            place,
            role: role.to_vec(),
            settings: all,
            certificates,
        };
        launch.start(directory)
    }

    /// Starts shard `index` of the run that `lead` has, and waits until it listens.
    ///
    /// # Errors
    /// If there is no such program, or it ends instead.
    pub(super) fn shard(
        transport: Transport,
        place: &Place,
        lead: &Self,
        index: usize,
    ) -> anyhow::Result<Self> {
        let index = index.to_string();
        let role = ["--shard", &index, "--lead", lead.url()];
        let mut role = role.map(OsString::from).to_vec();
        let certificates = lead.certificates.clone();
        role.extend(
            certificates
                .iter()
                .flat_map(|files| ["--tls-ca".into(), files.ca.clone().into()]),
        );
        let launch = Launch {
            transport,
            place,
            role,
            settings: vec![HTTP.to_owned(), LOG.to_owned()],
            certificates,
        };
        launch.start(temporary_directory()?)
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

fn temporary_directory() -> anyhow::Result<TempDir> {
    tempfile::tempdir().context("cannot make a temporary directory")
}

/// What one is started with.
struct Launch<'a> {
    transport: Transport,
    place: &'a Place,
    role: Vec<OsString>,
    settings: Vec<String>,
    certificates: Option<Certificates>,
}

impl Launch<'_> {
    fn start(self, directory: TempDir) -> anyhow::Result<LearnerProcess> {
        let listen: Address = match self.transport {
            Transport::Unix => Address::Unix(directory.path().join("learner.sock")),
            Transport::Tcp | Transport::Tls => self.place.listen().into(),
        };
        let place_settings = self.place_settings();
        let security = self.certificates.iter().flat_map(Certificates::settings);
        let settings = self
            .settings
            .into_iter()
            .chain(security)
            .chain(place_settings);
        let mut arguments = self.role;
        arguments.extend(["--listen".into(), listen.to_string().into()]);
        arguments.extend(settings.flat_map(|setting| ["--set".into(), setting.into()]));
        let mut program = Program::start_at(self.place, "learner", arguments, directory)?;
        Ok(LearnerProcess {
            url: program.word_after("gRPC")?,
            http: program.http_after("HTTP")?,
            program,
            certificates: self.certificates,
        })
    }

    /// Metrics are asked for from where the bench is.
    fn place_settings(&self) -> Vec<String> {
        match self.place.is_open() {
            true => vec![
                format!("learner.http={}", self.place.listen()),
                "security.allow_insecure_listen=true".into(),
            ],
            false => Vec::new(),
        }
    }
}
