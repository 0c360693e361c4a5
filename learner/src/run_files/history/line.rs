use serde::{Deserialize, Serialize};

use crate::ledger::{ProgressPoint, RunEvent};

/// One line of `events.jsonl`; its key `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// Where the run was at a moment.
    Progress(Box<ProgressPoint>),
    /// What happened at a moment.
    Event(RunEvent),
}

impl Line {
    /// Reads one line. One without `kind` is from a version that wrote progress alone.
    ///
    /// # Errors
    /// If it is no such line, e.g. torn by a crash.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        if value.get("kind").is_none() {
            return Ok(Self::Progress(serde_json::from_value(value)?));
        }
        serde_json::from_value(value)
    }
}
