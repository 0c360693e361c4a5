use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use troop_actor::link::{EndpointSettings, TlsSettings};
use troop_common::experiment::{ActorSettings, LogFormat, TelemetrySettings};
use troop_common::pem::PemError;
use troop_common::role::Role;

/// Run workers that step environments and send gradients to a learner. The learner's address is all
/// that they need: the experiment comes from there.
///
/// It ends when the run is over. SIGINT and SIGTERM end the workers after the gradient that each is
/// computing; a second signal ends the process at once.
///
/// Exit codes: 0 the run is over, or SIGTERM came; 1 failed; 2 bad usage; 130 SIGINT came.
#[derive(Debug, Parser)]
#[command(name = "troop-actor", version)]
pub(crate) struct Args {
    /// The learner's address: `http://host:port`, `https://host:port` with --tls-ca, or
    /// `unix:/path/to/socket`.
    #[arg(long, value_name = "URL", value_parser = address, required_unless_present = "probe")]
    learner: Option<String>,
    /// What the workers do: act and train (bundled), only act, only train, or evaluate what is published
    /// [experiment.evaluate]. By default bundled; an experiment whose workers have roles [topology.trainers] wants it said.
    #[arg(long, value_name = "ROLE", value_parser = ["bundled", "act", "train", "evaluate"])]
    role: Option<String>,
    /// Worker threads; 0 takes one a core; by default what the experiment says [actor.workers], or
    /// [topology.trainers] for those that train.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Address of /metrics and /healthz, e.g. 127.0.0.1:7790; off by default.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Let --http leave loopback, although whoever reaches it can then read the metrics.
    #[arg(long, requires = "http")]
    allow_insecure_listen: bool,
    /// The Python interpreter of this machine's Gymnasium hosts [environment.python].
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// Seconds that a learner which has not answered yet is tried; once joined, the experiment's
    /// actor.give_up_after_s holds.
    #[arg(long, value_name = "SECONDS", default_value_t = ActorSettings::default().give_up_after_s)]
    pub(crate) give_up_after_s: u64,
    /// A file with the learner's bearer token, as in its security.token_file.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the CA that signed the learner's certificate; needed with `https://`. No
    /// other CA is trusted, the system's neither unless the file is theirs.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The name in the learner's certificate where it is not the address's host.
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_domain: Option<String>,
    /// A PEM file with this actor's own certificate, for a learner that asks for one.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_certificate: Option<PathBuf>,
    /// A PEM file with that certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// What is logged, e.g. info or troop_actor=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    /// Only ask the actor whose --http is ADDR for its health: exit code 0 where it is well, 1 where
    /// it is not.
    #[arg(long, value_name = "ADDR", exclusive = true)]
    pub(crate) probe: Option<SocketAddr>,
}

fn address(url: &str) -> Result<String, String> {
    EndpointSettings::check_url(url).map(|()| url.to_owned())
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
        if let Some(learner) = &self.learner {
            EndpointSettings::check_tls(learner, self.tls_ca.is_some())?;
        }
        self.check_http()
    }

    /// The learner's address; empty for a probe, which needs none.
    pub(crate) fn learner(&self) -> String {
        self.learner.clone().unwrap_or_default()
    }

    /// What the workers do; without, what the experiment says.
    pub(crate) fn role(&self) -> Option<Role> {
        let asked = self.role.as_deref()?;
        Role::ALL.into_iter().find(|role| role.name() == asked)
    }

    fn check_http(&self) -> Result<(), String> {
        match self.http {
            Some(address) if !address.ip().is_loopback() && !self.allow_insecure_listen => {
                Err(format!(
                    "--http {address} leaves loopback: whoever reaches it can read the metrics; \
                 say so with --allow-insecure-listen, or take 127.0.0.1"
                ))
            }
            _ => Ok(()),
        }
    }

    /// What the files of `--tls-…` hold; none without `--tls-ca`.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn tls(&self) -> Result<Option<TlsSettings>, PemError> {
        let identity = self.tls_certificate.as_deref().zip(self.tls_key.as_deref());
        let ca = self.tls_ca.as_deref();
        ca.map(|ca| TlsSettings::read(ca, self.tls_domain.clone(), identity))
            .transpose()
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
    fn metrics_leave_loopback_only_where_that_is_said() {
        let check = |line: &str| {
            let args = format!("troop-actor --learner http://127.0.0.1:7700 {line}");
            Args::try_parse_from(args.split_whitespace())
                .map(|args| args.check_http().is_ok())
                .ok()
        };
        assert_eq!(check(""), Some(true));
        assert_eq!(check("--http 127.0.0.1:7790"), Some(true));
        assert_eq!(check("--http 0.0.0.0:7790"), Some(false));
        assert_eq!(
            check("--http 0.0.0.0:7790 --allow-insecure-listen"),
            Some(true)
        );
        assert_eq!(check("--allow-insecure-listen"), None);
    }

    #[test]
    fn each_role_has_its_name() {
        for role in Role::ALL {
            let line = format!("troop-actor --learner learner:7700 --role {}", role.name());
            let args = Args::try_parse_from(line.split_whitespace()).unwrap();
            assert_eq!(args.role(), Some(role));
        }
    }

    #[test]
    fn a_probe_needs_no_learner_and_does_nothing_else() {
        let check = |line: &str| Args::try_parse_from(line.split_whitespace()).is_ok();
        assert!(check("troop-actor --probe 127.0.0.1:7790"));
        assert!(!check(
            "troop-actor --probe 127.0.0.1:7790 --learner http://127.0.0.1:7700"
        ));
        assert!(!check("troop-actor"));
    }

    #[test]
    fn what_tls_needs_goes_together() {
        let check = |line: &str| {
            let line = format!("troop-actor --learner {line}");
            Args::try_parse_from(line.split_whitespace()).is_ok_and(|args| args.check().is_ok())
        };
        assert!(check("https://learner:7700 --tls-ca ca.pem"));
        assert!(!check("https://learner:7700"));
        assert!(!check("http://learner:7700 --tls-ca ca.pem"));
        assert!(!check("unix:/run/troop.sock --tls-ca ca.pem"));
        let own = "https://learner:7700 --tls-ca ca.pem --tls-certificate own.pem";
        assert!(!check(own));
        assert!(check(&format!(
            "{own} --tls-key own.key --tls-domain learner"
        )));
        assert!(!check("https://learner:7700 --tls-domain learner"));
    }
}
