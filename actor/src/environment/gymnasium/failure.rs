//! Why a host failed, in words.

use std::io::{self, ErrorKind};
use std::time::Duration;

use troop_common::experiment::EnvironmentSettings;

use super::child::RunningChild;
use super::error::Error;
use super::handshake::Failure;

/// What a host was doing when it failed.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    /// Making its environments.
    Start,
    /// Its first reset, in which all environments load what they have.
    FirstReset,
    /// A later reset, or a step.
    Step,
}

impl Phase {
    /// The key that limits it, and its value in milliseconds.
    fn key(self, settings: &EnvironmentSettings) -> (&'static str, u64) {
        match self {
            Self::Start | Self::FirstReset => ("start_timeout_ms", settings.start_timeout_ms),
            Self::Step => ("step_timeout_ms", settings.step_timeout_ms),
        }
    }

    /// How long it may take.
    pub(super) fn limit(self, settings: &EnvironmentSettings) -> Duration {
        Duration::from_millis(self.key(settings).1)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Start => "to start",
            Self::FirstReset => "its first reset of all environments",
            Self::Step => "a step or reset of all environments",
        }
    }
}

/// Ends a host that failed and says why it did.
pub(super) fn explain(
    child: &mut RunningChild,
    error: Error,
    phase: Phase,
    settings: &EnvironmentSettings,
) -> String {
    let reason = match error {
        Error::Failure(failure) => exception(child, &failure, settings),
        Error::Memory(error) => format!("no shared memory: {error}"),
        Error::Channel(error) => broken_channel(child, &error, phase, settings),
    };
    match phase {
        Phase::Start => format!("environment `{}` cannot start: {reason}", settings.id),
        Phase::FirstReset | Phase::Step => {
            format!("environment `{}` failed: {reason}", settings.id)
        }
    }
}

fn exception(
    child: &mut RunningChild,
    failure: &Failure,
    settings: &EnvironmentSettings,
) -> String {
    child.kill();
    let Failure {
        error,
        hint,
        traceback,
    } = failure;
    tracing::debug!(
        environment = settings.id,
        traceback,
        "gymnasium host failed"
    );
    if hint.is_empty() {
        error.clone()
    } else {
        format!("{error}; {hint}")
    }
}

fn broken_channel(
    child: &mut RunningChild,
    error: &io::Error,
    phase: Phase,
    settings: &EnvironmentSettings,
) -> String {
    let reason = match error.kind() {
        ErrorKind::TimedOut => {
            child.kill();
            let ((key, limit), what) = (phase.key(settings), phase.name());
            format!(
                "its host did not answer within environment.{key} = {limit}, the limit of {what}"
            )
        }
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            format!("its host ended with {}", child.wait_or_kill())
        }
        _ => {
            child.kill();
            format!("its host is not one of this version of Troop: {error}")
        }
    };
    with_last_words(reason, &child.last_words())
}

fn with_last_words(reason: String, words: &str) -> String {
    if words.is_empty() {
        return reason;
    }
    let message = format!("{reason}; its last words:\n{words}");
    if words.ends_with("No module named troop_gym_host") {
        return format!(
            "{message}\nrun `make setup`, or install actor/python for that interpreter"
        );
    }
    message
}
