//! Exact quantiles of staleness for the summary.

use serde::{Deserialize, Serialize};

/// Staleness above this is counted as this in quantiles; the mean and the maximum stay exact.
const LARGEST_COUNTED: usize = 4_095;

/// Staleness of every applied gradient, in updates.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StalenessCounts {
    counts: Vec<u64>,
    total: u64,
    sum: u64,
    max: u64,
}

/// Staleness of a run's applied gradients, in updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StalenessSummary {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

impl StalenessCounts {
    pub(crate) fn record(&mut self, staleness: u64) {
        let slot = (staleness as usize).min(LARGEST_COUNTED);
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        self.counts[slot] += 1;
        self.total += 1;
        self.sum += staleness;
        self.max = self.max.max(staleness);
    }

    pub(crate) fn summary(&self) -> StalenessSummary {
        StalenessSummary {
            mean: self.sum as f64 / self.total.max(1) as f64,
            p50: self.quantile(0.5),
            p99: self.quantile(0.99),
            max: self.max,
        }
    }

    fn quantile(&self, q: f64) -> u64 {
        let rank = (q * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (staleness, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return staleness as u64;
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_mean_and_maximum() {
        let mut counts = StalenessCounts::default();
        assert_eq!(counts.summary(), StalenessSummary::default());
        (0..100).for_each(|i| counts.record(i % 10));
        counts.record(10_000);
        let summary = counts.summary();
        assert_eq!((summary.p50, summary.p99, summary.max), (5, 9, 10_000));
        assert!((summary.mean - 10_450.0 / 101.0).abs() < 1e-9);
    }
}
