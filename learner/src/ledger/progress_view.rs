use std::collections::BTreeMap;

use serde::Serialize;
use troop_common::finite::Finite;

use super::counters::Counters;
use super::staleness::StalenessSummary;

/// What people are shown of a run's progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProgressView {
    /// Counters of the whole run.
    #[serde(flatten)]
    pub counters: Counters,
    /// Mean return of the last 100 episodes; none before the first.
    pub return_mean_100: Option<Finite>,
    /// Mean length of the last 100 episodes, in env steps; none before the first.
    pub episode_length_mean_100: Option<f64>,
    /// Env steps a second over the last ten seconds.
    pub env_steps_per_second: f64,
    /// Updates a second over the last ten seconds.
    pub updates_per_second: f64,
    /// Last value of each loss term, averaged over recent segments.
    pub losses: BTreeMap<String, Finite>,
    /// Staleness of the gradients applied in this life.
    pub staleness_updates: StalenessSummary,
}
