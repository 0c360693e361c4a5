//! Writes an absent value as `"none"`, because TOML has no null: a default can then be switched
//! off, and every key of a resolved experiment is written.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands for "no value".
pub(super) const NONE: &str = "none";

/// Ends the message of an optional key that holds a wrong value.
pub(super) const OR_NONE: &str = " or \"none\"";

pub(super) fn serialize<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize,
    S: Serializer,
{
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(NONE),
    }
}

pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let value = toml::Value::deserialize(deserializer)?;
    if value.as_str() == Some(NONE) {
        return Ok(None);
    }
    let wrong = |error: toml::de::Error| D::Error::custom(format!("{}{OR_NONE}", error.message()));
    T::deserialize(value).map(Some).map_err(wrong)
}
