//! What a run's own `experiment.toml` means where it lacks a key.

use super::layer::Fragment;
use super::{ConfigError, fragments};

/// Such a file was written with every key that there was. What is not in it came later, and its parameters were
/// learnt without: each key here whose default is another than what there was before it.
const WITHOUT: &str = "environment.rescale_actions = false";

/// The layer below a run's own file.
pub(super) fn layer() -> Result<Vec<Fragment>, ConfigError> {
    Ok(vec![fragments::of_text(WITHOUT, "runs without the key")?])
}
