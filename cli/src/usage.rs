use std::error::Error;

use troop_common::experiment::ConfigError;
use troop_common::token::TokenError;
use troop_learner::run_directory::RunDirectoryError;

/// Something that the user asked for and that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Whether an error is the user's to mend.
pub(crate) fn is_usage(error: &(dyn Error + 'static)) -> bool {
    let directory: Option<&RunDirectoryError> = error.downcast_ref();
    error.is::<ConfigError>()
        || error.is::<TokenError>()
        || error.is::<UsageError>()
        || directory.is_some_and(RunDirectoryError::is_usage)
}
