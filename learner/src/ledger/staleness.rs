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

/// Gradients whose staleness is within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalenessBucket {
    /// Least staleness in it, in updates.
    pub from: u64,
    /// Largest staleness in it, in updates.
    pub to: u64,
    /// Gradients.
    pub count: u64,
}

impl StalenessCounts {
    pub(crate) fn record(&mut self, staleness: u64) {
        let slot = (staleness as usize).min(LARGEST_COUNTED);
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        self.counts[slot] += 1;
        self.total += 1;
        self.sum = self.sum.saturating_add(staleness);
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

    /// Gradients with a staleness of 0, 1, 2–3, 4–7, and so on, up to the largest.
    pub(crate) fn histogram(&self) -> Vec<StalenessBucket> {
        let mut buckets: Vec<StalenessBucket> = Vec::new();
        for (staleness, count) in (0..).zip(&self.counts) {
            match buckets.last_mut() {
                Some(bucket) if staleness <= bucket.to => bucket.count += count,
                _ => buckets.push(StalenessBucket {
                    from: staleness,
                    to: (2 * staleness).saturating_sub(1).max(staleness),
                    count: *count,
                }),
            }
        }
        if let Some(last) = buckets.last_mut() {
            last.to = last.to.max(self.max);
        }
        buckets
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
    fn buckets_double_and_hold_everything() {
        let mut counts = StalenessCounts::default();
        assert!(counts.histogram().is_empty());
        (0..10).for_each(|staleness| counts.record(staleness));
        let bounds = |counts: &StalenessCounts| -> Vec<(u64, u64, u64)> {
            let buckets = counts.histogram();
            buckets.iter().map(|b| (b.from, b.to, b.count)).collect()
        };
        let expected = [(0, 0, 1), (1, 1, 1), (2, 3, 2), (4, 7, 4), (8, 15, 2)];
        assert_eq!(bounds(&counts), expected);
        counts.record(1_000_000);
        assert_eq!(bounds(&counts).last(), Some(&(2048, 1_000_000, 1)));
    }

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
