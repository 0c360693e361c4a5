use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::IngestArgs;
use crate::interruption::Interruption;
use crate::learners::Learners;

/// Between two looks at what the lead tells.
const TICK: Duration = Duration::from_millis(200);

/// What is each learner's own, if a run is spread over several.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    /// How many updates the learner that is farthest from the lead was apart from it.
    skew_p99_updates: f64,
    skew_most_updates: f64,
    /// The most memory that each had, in bytes, under a name of its own: the lead is shard 0.
    #[serde(flatten)]
    memory: BTreeMap<String, u64>,
}

impl Spread {
    pub(super) fn new(memory: &[u64], skews: &Skews) -> Self {
        let name = |shard| format!("shard_{shard:02}_peak_memory_bytes");
        let memory = memory.iter().enumerate();
        Self {
            skew_p99_updates: skews.quantile(0.99),
            skew_most_updates: skews.quantile(1.0),
            memory: memory.map(|(shard, &bytes)| (name(shard), bytes)).collect(),
        }
    }
}

/// What the lead said of its distance to the others, look by look, in updates. Shards tell it once a second.
pub(super) struct Skews(Vec<f64>);

impl Skews {
    /// Waits for as long as is measured, and looks meanwhile if there are several learners.
    ///
    /// # Errors
    /// If the lead does not answer, or the bench is interrupted.
    pub(super) fn watch(
        learners: &Learners,
        args: &IngestArgs,
        interruption: &Interruption,
    ) -> anyhow::Result<Option<Self>> {
        let end = Instant::now() + Duration::from_secs_f64(args.seconds);
        if args.shards == 1 {
            interruption.sleep(end - Instant::now())?;
            return Ok(None);
        }
        let mut seen = Vec::new();
        while Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            interruption.sleep(left.min(TICK))?;
            let metrics = learners.lead().metrics()?;
            seen.push(metrics.total("troop_learner_shard_skew_updates"));
        }
        Ok(Some(Self::of(seen)))
    }

    fn of(mut seen: Vec<f64>) -> Self {
        seen.sort_by(f64::total_cmp);
        Self(seen)
    }

    /// The smallest that a share of `q` of all does not exceed; 0 if nobody looked.
    fn quantile(&self, q: f64) -> f64 {
        let rank = (q * self.0.len() as f64).ceil() as usize;
        let place = rank.saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let skews = Skews::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(skews.quantile(0.99), 198.0);
        assert_eq!(skews.quantile(1.0), 200.0);
        assert_eq!(Skews::of(vec![7.0]).quantile(0.5), 7.0);
        assert_eq!(Skews::of(Vec::new()).quantile(0.5), 0.0);
    }

    #[test]
    fn each_learner_has_its_memory_under_its_name() {
        let spread = Spread::new(&[10, 20], &Skews::of(vec![3.0]));
        let value = serde_json::to_value(&spread).unwrap();
        let expected = serde_json::json!({
            "skew_p99_updates": 3.0,
            "skew_most_updates": 3.0,
            "shard_00_peak_memory_bytes": 10,
            "shard_01_peak_memory_bytes": 20,
        });
        assert_eq!(value, expected);
    }
}
