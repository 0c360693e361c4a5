use serde::Serialize;
use troop_common::role::Role;

/// Identifies a session within an epoch.
pub type SessionId = u64;

/// What others are shown of a live session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionView {
    /// Its number.
    pub session: SessionId,
    /// What its worker calls itself.
    pub worker: String,
    /// Where it calls from.
    pub peer: String,
    /// What it does.
    pub role: Role,
    /// Smallest index that no other live session of its role holds.
    pub worker_index: u32,
    /// Env steps that it has reported.
    pub env_steps: u64,
    /// Its gradients that were applied.
    pub gradients_applied: u64,
    /// Its gradients that were refused.
    pub gradients_rejected: u64,
    /// Staleness of its last gradient that was applied, in updates.
    pub staleness_updates: u64,
    /// How long ago its last gradient was answered, in seconds; 0 before the first.
    pub seconds_since_last_gradient: f64,
}
