use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use troop_common::address::Address;

/// Run the parameter server of an experiment; actors join it by its address.
///
/// It ends when the run is over. SIGINT and SIGTERM drain: workers are told to come back later, and
/// a last checkpoint is written.
///
/// Exit codes: 0 the run is over, or SIGTERM came; 1 failed; 2 bad usage or configuration;
/// 130 SIGINT came.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// A preset's name, or a file (with a slash or ending in .toml).
    #[arg(long, value_name = "PRESET|FILE", required_unless_present = "resume")]
    pub(crate) experiment: Option<String>,
    /// Set a key of the experiment; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Address of the gRPC service: a port (0 takes a free one), or `unix:/path/to/socket`
    /// [learner.listen].
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// Address of /metrics, /healthz and /api/status; port 0 takes a free one [learner.http].
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Where the run is kept; by default a new directory below runs/.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Go on from the newest checkpoint of --run-dir.
    #[arg(long, requires = "run_dir", conflicts_with = "experiment")]
    pub(crate) resume: bool,
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

impl Args {
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
