use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

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

/// `[telemetry]`: logs, and what others read of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetrySettings {
    /// A `tracing` filter, e.g. `info` or `troop_learner=debug`; `TROOP_LOG` wins over it.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// A learner whose run is over waits this long for `/metrics` to be read twice more, in seconds.
    pub last_scrape_s: u64,
    /// Whether the run directory gets event files for TensorBoard.
    pub tensorboard: bool,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Text,
            last_scrape_s: 0,
            tensorboard: true,
        }
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
