use crate::settings::ReplaySettings;

/// Settings that cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the settings of a replay: {0}")]
pub struct SettingsError(String);

/// A replay's settings as TOML.
///
/// # Errors
/// If TOML has no such numbers.
pub fn settings_to_text(settings: &ReplaySettings) -> Result<String, SettingsError> {
    toml::to_string(settings).map_err(|error| SettingsError(error.to_string()))
}

/// Reads them. Whether there can be such a replay is another question.
///
/// # Errors
/// If it is not TOML of a replay's settings.
pub fn settings_from_text(text: &str) -> Result<ReplaySettings, SettingsError> {
    toml::from_str(text).map_err(|error| SettingsError(error.message().to_owned()))
}
