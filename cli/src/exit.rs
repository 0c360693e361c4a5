//! Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 over but not learnt, 130 interrupted.

use std::process::ExitCode;

use troop_common::causes::with_causes;
use troop_common::experiment::ConfigError;
use troop_common::process::{USAGE, complain};
use troop_common::token::TokenError;
use troop_learner::run_directory::RunDirectoryError;

/// Something that the user asked for and that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub String);

/// Prints an error with its causes; gives the exit code for its kind.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    complain(format_args!("error: {}", with_causes(error.as_ref())));
    let usage = error.chain().any(|cause| {
        let directory: Option<&RunDirectoryError> = cause.downcast_ref();
        cause.is::<ConfigError>()
            || cause.is::<TokenError>()
            || cause.is::<UsageError>()
            || directory.is_some_and(RunDirectoryError::is_usage)
    });
    ExitCode::from(if usage { USAGE } else { 1 })
}
