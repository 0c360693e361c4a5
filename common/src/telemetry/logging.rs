use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::lines::{Dropping, Lines};
use crate::experiment::{LogFormat, TelemetrySettings};

/// The environment variable whose filter wins over `telemetry.log`.
pub const LOG_VARIABLE: &str = "TROOP_LOG";

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("cannot read the log filter `{filter}` of {origin}: {source}")]
    Filter {
        /// The filter.
        filter: String,
        /// `TROOP_LOG` or `telemetry.log`.
        origin: &'static str,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The process logs already.
    #[error("logging has been set up before: {0}")]
    Repeated(#[from] TryInitError),
}

/// Sends the process's logs to standard error.
///
/// # Errors
/// If the filter cannot be read, or the process logs already.
pub fn init_logging(settings: &TelemetrySettings) -> Result<(), LoggingError> {
    init_logging_to(settings, std::io::stderr)
}

/// Sends the process's logs to a writer, e.g. one that steps around a progress bar.
///
/// # Errors
/// If the filter cannot be read, or the process logs already.
pub fn init_logging_to<W>(settings: &TelemetrySettings, writer: W) -> Result<(), LoggingError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = filter(settings, std::env::var(LOG_VARIABLE).ok())?;
    match settings.log_format {
        LogFormat::Text => text(filter, writer).try_init()?,
        LogFormat::Json => json(filter, writer).try_init()?,
    }
    Ok(())
}

fn filter(
    settings: &TelemetrySettings,
    variable: Option<String>,
) -> Result<EnvFilter, LoggingError> {
    let (filter, origin) = match variable {
        Some(filter) if !filter.trim().is_empty() => (filter, LOG_VARIABLE),
        _ => (settings.log.clone(), "telemetry.log"),
    };
    EnvFilter::try_new(&filter).map_err(|source| LoggingError::Filter {
        filter,
        origin,
        source,
    })
}

fn text<W>(filter: EnvFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    use std::io::IsTerminal;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(Lines(Dropping(writer)))
        .finish()
}

fn json<W>(filter: EnvFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(Dropping(writer))
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn writer(&self) -> impl for<'writer> MakeWriter<'writer> + Send + Sync + use<> {
            let lines = self.clone();
            move || lines.clone()
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn settings(log: &str) -> TelemetrySettings {
        TelemetrySettings {
            log: log.into(),
            ..TelemetrySettings::default()
        }
    }

    #[test]
    fn the_variable_wins_over_the_setting() {
        let filter = |variable: Option<&str>| {
            super::filter(&settings("info"), variable.map(str::to_owned))
                .unwrap()
                .to_string()
        };
        assert_eq!(filter(None), "info");
        assert_eq!(filter(Some("")), "info");
        assert_eq!(filter(Some("troop_learner=debug")), "troop_learner=debug");
    }

    #[test]
    fn an_unreadable_filter_is_named_with_its_origin() {
        let of = |log: &str, variable: Option<&str>| {
            super::filter(&settings(log), variable.map(str::to_owned))
                .unwrap_err()
                .to_string()
        };
        assert!(of("a=b=c", None).contains("`a=b=c` of telemetry.log"));
        assert!(of("info", Some("a=b=c")).contains("`a=b=c` of TROOP_LOG"));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let lines = Written::default();
        let guard = json(EnvFilter::new("info"), lines.writer()).set_default();
        tracing::info!(version = 7, "published");
        tracing::debug!("too much");
        drop(guard);
        let text = lines.text();
        let object: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(object["fields"]["version"], 7);
        assert_eq!(object["fields"]["message"], "published");
    }

    #[test]
    fn an_event_cannot_hold_another_one() {
        let forged = "harmless\n2026-01-01T00:00:00Z  INFO troop: forged\r\u{1b}[2K\u{1b}[1A";
        let lines = Written::default();
        let guard = text(EnvFilter::new("info"), lines.writer()).set_default();
        tracing::warn!(error = forged, worker = %forged, "{forged}");
        drop(guard);
        let text = lines.text();
        let events = text.lines().filter(|line| !line.starts_with("    | "));
        assert_eq!(events.count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
        let lines = Written::default();
        let guard = json(EnvFilter::new("info"), lines.writer()).set_default();
        tracing::warn!(error = forged, worker = %forged, "{forged}");
        drop(guard);
        assert_eq!(lines.text().lines().count(), 1);
    }

    #[test]
    fn text_is_for_people() {
        let lines = Written::default();
        let guard = text(EnvFilter::new("info"), lines.writer()).set_default();
        tracing::warn!(session = 3, "left");
        drop(guard);
        assert!(lines.text().contains("left"), "{}", lines.text());
        assert!(lines.text().contains("WARN"), "{}", lines.text());
    }
}
