use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use troop_common::bounds::{LOSS_TERM, LOSSES};
use troop_common::finite::Finite;

use super::evaluation::Evaluation;

/// Where a run was at a moment.
///
/// What older versions did not write is absent when it is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgressPoint {
    /// Time that the run had been going on, in seconds, earlier lives included.
    pub wall_seconds: f64,
    /// The moment, in seconds since 1970.
    #[serde(default)]
    pub unix_seconds: Option<f64>,
    /// Actions taken by all workers together.
    pub env_steps: u64,
    /// Emulator ticks.
    pub frames: u64,
    /// Episodes that had ended.
    pub episodes: u64,
    /// Updates of the parameters.
    pub updates: u64,
    /// Env steps a second over the last ten seconds.
    pub env_steps_per_second: f64,
    /// Updates a second over the last ten seconds.
    pub updates_per_second: f64,
    /// Mean raw return of the last 100 episodes; none before the first.
    pub return_mean_100: Option<Finite>,
    /// Mean length of the last 100 episodes, in env steps.
    #[serde(default)]
    pub episode_length_mean_100: Option<f64>,
    /// Mean staleness of the gradients applied since the point before, in updates; 0 if there
    /// was none.
    pub staleness_mean_updates: f64,
    /// Their median staleness; none if there was no gradient.
    #[serde(default)]
    pub staleness_p50_updates: Option<u64>,
    /// 99th percentile of their staleness.
    #[serde(default)]
    pub staleness_p99_updates: Option<u64>,
    /// Their largest staleness.
    #[serde(default)]
    pub staleness_max_updates: Option<u64>,
    /// Mean global norm of the updates' gradients since the point before, before clipping; none
    /// if there was no update.
    #[serde(default)]
    pub gradient_norm_mean: Option<Finite>,
    /// Gradients applied in the run.
    #[serde(default)]
    pub gradients_applied: Option<u64>,
    /// Gradients rejected in the run, whatever the reason.
    #[serde(default)]
    pub gradients_rejected: Option<u64>,
    /// Learning rate of the next gradient.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// Live sessions.
    #[serde(default)]
    pub sessions: Option<u64>,
    /// The newest evaluation; none before the first.
    #[serde(default)]
    pub evaluation: Option<Evaluation>,
    /// Each loss term, averaged over recent segments.
    #[serde(deserialize_with = "losses")]
    pub losses: BTreeMap<String, Finite>,
}

/// Older versions wrote `null` for what is not finite, and names of any length.
fn losses<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Finite>, D::Error> {
    let all = BTreeMap::<String, Option<Finite>>::deserialize(from)?;
    let known = all
        .into_iter()
        .filter(|(term, _)| LOSS_TERM.check(term.len()).is_ok())
        .filter_map(|(term, value)| Some((term, value?)));
    Ok(known.take(LOSSES.most).collect())
}
