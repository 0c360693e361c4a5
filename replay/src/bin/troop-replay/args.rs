use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use troop_common::address::Address;
use troop_common::dialling::{Dial, TlsSettings};
use troop_common::experiment::{ActorSettings, LogFormat, TelemetrySettings};
use troop_common::pem::PemError;
use troop_common::serving::{ServerTls, TlsFiles};
use troop_common::token::BearerToken;

/// Hold experience that workers of other processes add and draw.
///
/// The learner's address is all that it needs: it attaches to the run there, and the experiment comes from there, which says how
/// many bytes it may take, [topology.replay_bytes]. The first worker that adds says what it holds. It ends when the run is over.
/// Without a learner, --experiment says the same. SIGINT and SIGTERM end it: workers are told to come back later.
///
/// Exit codes: 0 the run is over, or SIGTERM came; 1 failed; 2 bad usage or configuration; 130 SIGINT came.
#[derive(Debug, Parser)]
#[command(name = "troop-replay", version)]
pub(crate) struct Args {
    /// The learner's address: `http://host:port`, `https://host:port` with --tls-ca, or `unix:/path/to/socket`.
    #[arg(long, value_name = "URL", value_parser = address, conflicts_with_all = ["experiment", "set", "run"])]
    learner: Option<String>,
    /// A preset's name, or a file (with a slash or ending in .toml), for a replay without a learner.
    #[arg(long, value_name = "PRESET|FILE", required_unless_present_any = ["probe", "learner"])]
    experiment: Option<String>,
    /// Set a key of the experiment; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// What the run is called: workers of others are refused. Those of any are taken without it.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) run: String,
    /// Address of the gRPC service: a port (0 takes a free one), or `unix:/path/to/socket`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: Address,
    /// Where workers of other machines reach it, e.g. http://replay:7701; by default the address that it listens on.
    #[arg(long, value_name = "URL", value_parser = address, requires = "learner")]
    advertise: Option<String>,
    /// Seconds that a learner which has not answered yet is tried; once attached, the experiment's actor.give_up_after_s holds.
    #[arg(long, value_name = "SECONDS", default_value_t = ActorSettings::default().give_up_after_s)]
    give_up_after_s: u64,
    /// Address of /metrics and /healthz, e.g. 127.0.0.1:7795; off by default.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Let --listen leave loopback without --token-file, and --http, although whoever reaches them can use them.
    #[arg(long)]
    allow_insecure_listen: bool,
    /// A directory where it writes down what it takes, at most about half as many bytes again as it may hold: started again
    /// with the same one, it holds that again. Nothing is kept of a queue, whose items are drawn once.
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// A file with the bearer token that workers must present, and which the learner is presented.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with this replay's certificate: workers then call `https://`.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// A PEM file with that certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A PEM file with the CA that must have signed workers' certificates; by default they need none.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// A PEM file with the CA that signed the learner's certificate; needed if its address is `https://`.
    #[arg(long, value_name = "FILE", requires = "learner")]
    tls_ca: Option<PathBuf>,
    /// The name in the learner's certificate if it is not the address's host.
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_domain: Option<String>,
    /// What is logged, e.g. info or troop_replay=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    /// Only ask the replay whose --http is ADDR for its health: exit code 0 where it is well, 1 where it is not.
    #[arg(long, value_name = "ADDR", exclusive = true)]
    pub(crate) probe: Option<SocketAddr>,
}

fn address(url: &str) -> Result<String, String> {
    Dial::check_url(url).map(|()| url.to_owned())
}

impl Args {
    /// The command line's arguments; ends the process with code 2 where they cannot work.
    pub(crate) fn from_command_line() -> Self {
        let args = Self::parse();
        if let Err(why) = args.check() {
            Self::command()
                .error(ErrorKind::ValueValidation, why)
                .exit();
        }
        args
    }

    fn check(&self) -> Result<(), String> {
        match &self.learner {
            Some(learner) => Dial::check_tls(learner, self.tls_ca.is_some())?,
            // clap asks for nothing that conflicts with what is there.
            None if self.advertise.is_some() || self.tls_ca.is_some() => {
                return Err("--advertise and --tls-ca need --learner".into());
            }
            None => {}
        }
        let open = !self.listen.is_local() && self.token_file.is_none();
        let shown = self.http.filter(|address| !address.ip().is_loopback());
        if self.allow_insecure_listen {
            return Ok(());
        }
        if open {
            return Err(format!(
                "--listen {} leaves loopback: whoever reaches it can add and draw; name a --token-file, or say so with \
                 --allow-insecure-listen",
                self.listen
            ));
        }
        shown.map_or(Ok(()), |address| {
            Err(format!(
                "--http {address} leaves loopback: whoever reaches it can read the metrics; say so with \
                 --allow-insecure-listen, or take 127.0.0.1"
            ))
        })
    }

    /// The experiment's source; empty for a probe, which needs none.
    pub(crate) fn experiment(&self) -> &str {
        self.experiment.as_deref().unwrap_or_default()
    }

    /// How the learner is called; none without one. It sees the replay's own certificate, if it asks for one.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn learner(&self, token: Option<&BearerToken>) -> Result<Option<Dial>, PemError> {
        let Some(url) = &self.learner else {
            return Ok(None);
        };
        let identity = self.tls_certificate.as_deref().zip(self.tls_key.as_deref());
        let ca = self.tls_ca.as_deref();
        let tls = ca.map(|ca| TlsSettings::read(ca, self.tls_domain.clone(), identity));
        Ok(Some(Dial {
            url: url.clone(),
            tls: tls.transpose()?,
            token: token.cloned(),
            ..Dial::default()
        }))
    }

    /// What workers are told that listens on `url`.
    pub(crate) fn advertised(&self, url: &str) -> String {
        self.advertise.clone().unwrap_or_else(|| url.to_owned())
    }

    /// How long and how often the learner is looked for before it has answered.
    pub(crate) fn search(&self) -> ActorSettings {
        ActorSettings {
            give_up_after_s: self.give_up_after_s,
            ..ActorSettings::default()
        }
    }

    /// What the files of `--tls-…` hold; none without a certificate.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn tls(&self) -> Result<Option<ServerTls>, PemError> {
        let files = self.tls_certificate.as_deref().zip(self.tls_key.as_deref());
        let Some((certificate, key)) = files else {
            return Ok(None);
        };
        let ca = self.tls_client_ca.as_deref();
        let files = TlsFiles {
            certificate: ("--tls-certificate", certificate),
            key: ("--tls-key", key),
            client_ca: ca.map(|ca| ("--tls-client-ca", ca)),
            all: "--tls-certificate, --tls-key and --tls-client-ca",
        };
        ServerTls::of_files(&files).map(Some)
    }

    /// How this process logs.
    pub(crate) fn telemetry(&self) -> TelemetrySettings {
        let log_format = match self.log_format.as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        TelemetrySettings {
            log: self.log.clone(),
            log_format,
            ..TelemetrySettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_loopback_only_where_that_is_said() {
        let check = |line: &str| {
            let line = format!("troop-replay --experiment cartpole {line}");
            Args::try_parse_from(line.split_whitespace()).is_ok_and(|args| args.check().is_ok())
        };
        assert!(check(""));
        assert!(check("--listen 127.0.0.1:7701 --http 127.0.0.1:7795"));
        assert!(check("--listen unix:/run/replay.sock"));
        assert!(!check("--listen 0.0.0.0:7701"));
        assert!(check("--listen 0.0.0.0:7701 --token-file token"));
        assert!(check("--listen 0.0.0.0:7701 --allow-insecure-listen"));
        assert!(!check("--http 0.0.0.0:7795 --token-file token"));
        assert!(!check("--tls-certificate own.pem"));
        assert!(!check("--probe 127.0.0.1:7795"));
    }

    #[test]
    fn a_learner_or_an_experiment_says_what_it_is_for() {
        let check = |line: &str| {
            let line = format!("troop-replay {line}");
            Args::try_parse_from(line.split_whitespace()).is_ok_and(|args| args.check().is_ok())
        };
        assert!(!check(""));
        assert!(check("--learner http://127.0.0.1:7700"));
        assert!(check(
            "--learner learner:7700 --advertise http://replay:7701"
        ));
        assert!(!check("--learner learner:7700 --experiment cartpole"));
        assert!(!check("--learner https://learner:7700"));
        assert!(check("--learner https://learner:7700 --tls-ca ca.pem"));
        assert!(!check(
            "--experiment cartpole --advertise http://replay:7701"
        ));
    }
}
