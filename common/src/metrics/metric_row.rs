use std::fmt;

use prometheus::{HistogramOpts, Opts, Registry};

use super::metric::{Metric, MetricKind};
use crate::markdown::markdown_row;

/// One metric, as `/metrics` shows it and as docs/metrics.md describes it. Its texts are Markdown.
#[derive(Clone, Copy, Debug)]
pub struct MetricRow {
    /// Its name, without what all metrics of the part begin with.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// When it looks wrong, and what to do then; may be empty.
    pub hint: &'static str,
    /// The upper bounds of a histogram's buckets; none for others.
    pub buckets: fn() -> Vec<f64>,
}

impl MetricRow {
    /// Its whole name, for the part whose metrics begin with `prefix`.
    pub fn full_name(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.name)
    }

    /// The metric, registered nowhere yet.
    ///
    /// # Errors
    /// If Prometheus does not take its name or its labels.
    pub fn make<M: Metric>(&self, prefix: &str) -> prometheus::Result<M> {
        let options = HistogramOpts {
            common_opts: Opts::new(self.full_name(prefix), plain(self.meaning)),
            buckets: (self.buckets)(),
        };
        M::make(options, self.labels)
    }

    /// The metric, registered.
    ///
    /// # Errors
    /// As for [`Self::make`], or if the registry has it already.
    pub fn register<M: Metric>(&self, prefix: &str, registry: &Registry) -> prometheus::Result<M> {
        let metric: M = self.make(prefix)?;
        registry.register(metric.collector())?;
        Ok(metric)
    }

    /// Its row in a table of docs/metrics.md.
    pub fn in_markdown(&self, prefix: &str) -> String {
        let name = format!("`{}`", self.full_name(prefix));
        let labels: Vec<String> = self.labels.iter().map(|it| format!("`{it}`")).collect();
        let kind = self.kind.to_string();
        let (labels, unit) = (labels.join(", "), self.unit);
        markdown_row(&[&name, &kind, &labels, unit, self.meaning, self.hint])
    }
}

/// Markdown without what points elsewhere: `[text](address)` is `text`.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        let link = before.rfind('[').unwrap_or(before.len());
        text += &before[..link];
        text += before.get(link + 1..).unwrap_or_default();
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text + rest
}

impl fmt::Display for MetricKind {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// `count` bounds of buckets, each `factor` times the one before.
pub fn powers(first: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(first), |bound| Some(bound * factor))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::exponential_buckets;

    #[test]
    fn help_points_nowhere() {
        assert_eq!(
            plain("Refused; see [reasons](#reasons)"),
            "Refused; see reasons"
        );
        assert_eq!(plain("a [b](c) d [e](f)."), "a b d e.");
        assert_eq!(
            plain("clipped to [0, 1] (both)"),
            "clipped to [0, 1] (both)"
        );
    }

    #[test]
    fn bounds_are_those_of_prometheus() {
        for (first, factor, count) in [(1e-6, 4.0, 14), (0.001, 2.0, 17), (1e-4, 4.0, 10)] {
            let expected = exponential_buckets(first, factor, count).unwrap();
            assert_eq!(powers(first, factor, count), expected);
        }
    }
}
