use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much an event asks for somebody's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Goes as it should.
    Info,
    /// Works, and should be looked at.
    Warning,
    /// Something is lost or wrong.
    Error,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Time that the run had been going on, in seconds, earlier lives included.
    pub wall_seconds: f64,
    /// The moment, in seconds since 1970.
    pub unix_seconds: f64,
    /// Env steps counted by then.
    pub env_steps: u64,
    /// How much it asks for attention.
    pub level: Level,
    /// What happened, the same words each time.
    pub message: String,
    /// The particulars. `omitted` counts events of this kind that were left out before it.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}
