use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::settings::settings;
use super::violation::Violations;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

settings! {
    /// `[telemetry]`: logs, and what others read of a run.
    pub struct TelemetrySettings {
        /// A log filter, e.g. `info` or `troop_learner=debug,warn`; `TROOP_LOG` wins over it.
        pub log: String = "info".into(),
        /// For people, or one JSON object a line.
        pub log_format: LogFormat = LogFormat::Text,
        /// A learner whose run is over waits up to this long until its `/metrics` is read twice more. Above two of
        /// Prometheus' scrape intervals, the end of a run is no alarm ([monitoring.md](monitoring.md)).
        #[unit = "s"]
        pub last_scrape_s: u64 = 0,
        /// Whether the run directory gets [event files for TensorBoard](tensorboard.md).
        pub tensorboard: bool = true,
    }
}

impl TelemetrySettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        if let Err(error) = EnvFilter::try_new(&self.log) {
            let reason =
                format!("must be a log filter such as `info` or `troop_learner=debug`: {error}");
            violations.expect(false, "telemetry.log", reason);
        }
    }
}
