use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[security]`: who may connect. Never sent to actors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecuritySettings {
    /// Lets a listener leave loopback although anyone who reaches it may then train and read.
    pub allow_insecure_listen: bool,
    /// A file whose only line every caller must present as a bearer token.
    #[serde(with = "super::optional")]
    pub token_file: Option<PathBuf>,
}
