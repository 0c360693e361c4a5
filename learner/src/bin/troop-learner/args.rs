use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use troop_common::address::Address;
use troop_common::dialling::{Dial, TlsSettings};
use troop_common::experiment::{ActorSettings, SecuritySettings};
use troop_common::pem::PemError;
use troop_common::token::BearerToken;
use troop_learner::run_directory::RunDirectory;

use crate::bookmark::Bookmark;

/// Run the parameter server of an experiment; actors join it by its address.
///
/// It ends when the run is over. SIGINT and SIGTERM drain: workers are told to come back later, and
/// a last checkpoint is written.
///
/// Exit codes: 0 the run is over, or SIGTERM came; 1 failed; 2 bad usage or configuration;
/// 3 the run is over, but no gradient was applied, or more than half were wrong; 130 SIGINT came.
#[derive(Debug, Parser)]
#[command(name = "troop-learner", version)]
pub(crate) struct Args {
    /// A preset's name, or a file (with a slash or ending in .toml).
    #[arg(long, value_name = "PRESET|FILE", required_unless_present_any = ["resume", "probe", "shard"])]
    pub(crate) experiment: Option<String>,
    /// Set a key of the experiment; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Address of the gRPC service: a port (0 takes a free one), or `unix:/path/to/socket`
    /// [learner.listen].
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// Address of the live page, /metrics, /healthz and /api/status; port 0 takes a free one
    /// [learner.http].
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Write there where the learner listens, a line `gRPC URL` and a line `HTTP URL`, once it does:
    /// for programs that start others, with port 0.
    #[arg(long, value_name = "FILE")]
    pub(crate) address_file: Option<PathBuf>,
    /// Where the run is kept; by default a new directory below runs/.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Go on from the newest checkpoint of --run-dir.
    #[arg(long, requires = "run_dir", conflicts_with = "experiment")]
    resume: bool,
    /// Go on with the run in --run-dir as --resume does, or start it where there is none yet: for
    /// services that are started again and again.
    #[arg(long, requires_all = ["run_dir", "experiment"], conflicts_with = "resume")]
    resume_or_start: bool,
    /// Be this shard, from 1, of the run of another learner, the lead: its parameters are spread over `learner.shards`
    /// processes. The experiment comes from there; only [security], [telemetry] and addresses are this process's own.
    #[arg(long, value_name = "K", requires = "lead", conflicts_with_all = ["experiment", "run_dir", "resume", "seed", "steps"])]
    pub(crate) shard: Option<usize>,
    /// The lead's address: http://host:port, https://host:port or unix:/path.
    #[arg(long, value_name = "URL", value_parser = address, requires = "shard")]
    lead: Option<String>,
    /// Where workers of other machines reach this shard, e.g. http://shard-1:7700; by default the address that it listens on.
    #[arg(long, value_name = "URL", value_parser = address, requires = "shard")]
    advertise: Option<String>,
    /// Seconds that a lead which has not answered yet is tried; once attached, the experiment's actor.give_up_after_s holds.
    #[arg(long, value_name = "SECONDS", requires = "shard", default_value_t = ActorSettings::default().give_up_after_s)]
    give_up_after_s: u64,
    /// A PEM file with the CA that signed the lead's certificate; needed if its address is `https://`.
    #[arg(long, value_name = "FILE", requires = "shard")]
    tls_ca: Option<PathBuf>,
    /// The name in the lead's certificate if it is not the address's host.
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_domain: Option<String>,
    /// An address to print once the learner is ready, e.g. of a dashboard; may be given several
    /// times. One called `page` is printed in place of the live page's own, e.g. behind a proxy.
    #[arg(long = "link", value_name = "NAME=URL")]
    pub(crate) bookmarks: Vec<Bookmark>,
    /// Only ask the learner whose --http is ADDR for its health: exit code 0 where it is well, 1
    /// where it is not.
    #[arg(long, value_name = "ADDR", exclusive = true)]
    pub(crate) probe: Option<SocketAddr>,
    /// Where every random number comes from [experiment.seed].
    #[arg(long, conflicts_with = "resume")]
    seed: Option<u64>,
    /// Env steps of the whole run [experiment.total_env_steps].
    #[arg(long)]
    steps: Option<u64>,
    /// How log lines look [telemetry.log_format].
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

fn address(url: &str) -> Result<String, String> {
    Dial::check_url(url).map(|()| url.to_owned())
}

impl Args {
    /// How a shard calls its lead; that sees the shard's own certificate, if it asks for one.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else, or one is missing.
    pub(crate) fn lead(
        &self,
        own: &SecuritySettings,
        token: Option<&BearerToken>,
    ) -> anyhow::Result<Dial> {
        let url = self.lead.clone().unwrap_or_default();
        Dial::check_tls(&url, self.tls_ca.is_some()).map_err(anyhow::Error::msg)?;
        let certificate = own.tls_certificate_file.as_deref();
        let identity = certificate.zip(own.tls_key_file.as_deref());
        let ca = self.tls_ca.as_deref();
        let tls: Option<Result<TlsSettings, PemError>> =
            ca.map(|ca| TlsSettings::read(ca, self.tls_domain.clone(), identity));
        Ok(Dial {
            url,
            tls: tls.transpose()?,
            token: token.cloned(),
            ..Dial::default()
        })
    }

    /// What workers are told of a shard that listens on `url`.
    pub(crate) fn advertised(&self, url: &str) -> String {
        self.advertise.clone().unwrap_or_else(|| url.to_owned())
    }

    /// How long and how often the lead is looked for before it has answered.
    pub(crate) fn search(&self) -> ActorSettings {
        ActorSettings {
            give_up_after_s: self.give_up_after_s,
            ..ActorSettings::default()
        }
    }

    /// The directory of the run that is gone on with; none for a fresh one.
    pub(crate) fn resumed(&self) -> Option<&Path> {
        let path = self.run_dir.as_deref()?;
        let goes_on = self.resume || self.resume_or_start && RunDirectory::holds_run(path);
        goes_on.then_some(path)
    }

    /// The flags as `section.key=value`; `--set` wins over them.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let flag = |key: &str, value: Option<String>| value.map(|value| format!("{key}={value}"));
        let flags = [
            flag(
                "learner.listen",
                self.listen.as_ref().map(Address::to_string),
            ),
            flag("learner.http", self.http.map(|it| it.to_string())),
            flag("experiment.seed", self.seed.map(|it| it.to_string())),
            flag(
                "experiment.total_env_steps",
                self.steps.map(|it| it.to_string()),
            ),
            flag("telemetry.log_format", self.log_format.clone()),
        ];
        let set = self.set.iter().cloned();
        flags.into_iter().flatten().chain(set).collect()
    }
}
