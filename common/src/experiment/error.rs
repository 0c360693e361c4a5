use std::path::PathBuf;

use super::violation::Violations;

/// Why an experiment could not be resolved. Each one is the user's to mend: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No preset has this name, and it does not look like a file.
    #[error("{0}")]
    UnknownPreset(String),
    /// The file is not there or cannot be read.
    #[error("cannot read the experiment file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// Where the text comes from.
        origin: String,
        /// What the parser says, with the place.
        message: String,
    },
    /// Unknown keys, values of a wrong type and the like, one a line.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
    /// Values that cannot work, one a line.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// The experiment cannot be written as TOML.
    #[error("cannot write the experiment as TOML: {0}")]
    Write(#[from] toml::ser::Error),
    /// The layers cannot be merged.
    #[error("cannot merge the configuration's layers: {0}")]
    Merge(#[from] config::ConfigError),
}
