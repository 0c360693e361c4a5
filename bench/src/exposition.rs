use std::collections::BTreeMap;

use anyhow::Context;

use super::histogram::{Bucket, Histogram};

/// What a learner's `/metrics` showed.
#[derive(Debug)]
pub(super) struct Exposition {
    /// Values by name with labels, as they stand there.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads Prometheus' text format.
    ///
    /// # Errors
    /// If a line is neither a comment nor a sample.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines();
        let samples = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        let expected = |line| format!("cannot read `{line}`; expected `NAME VALUE`");
        let samples = samples.map(|line| parse(line).with_context(|| expected(line)));
        Ok(Self {
            samples: samples.collect::<Result<_, _>>()?,
        })
    }

    /// What several processes showed, as if it were one: the sum of each sample.
    pub(super) fn sum(all: &[Self]) -> Self {
        let mut samples = BTreeMap::new();
        for (name, value) in all.iter().flat_map(|one| &one.samples) {
            *samples.entry(name.clone()).or_default() += value;
        }
        Self { samples }
    }

    /// A counter's value, over all of its labels; 0 if it has not appeared yet.
    pub(super) fn total(&self, metric: &str) -> f64 {
        let of_metric = |name: &str| {
            let rest = name.strip_prefix(metric);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        let samples = self.samples.iter().filter(|(name, _)| of_metric(name));
        samples.map(|(_, value)| value).sum()
    }

    /// A histogram without labels; empty if there is none.
    pub(super) fn histogram(&self, metric: &str) -> Histogram {
        let prefix = format!("{metric}_bucket{{le=\"");
        let bucket = |(name, value): (&String, &f64)| {
            let bound = name.strip_prefix(&prefix)?.strip_suffix("\"}")?;
            Some(Bucket {
                upper: bound.parse().ok()?,
                below: *value,
            })
        };
        let buckets = self.samples.iter().filter_map(bucket).collect();
        Histogram::new(buckets, self.total(&format!("{metric}_sum")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total Help, with = and {}.\n# TYPE a_total counter\n\
        a_total{reason=\"late\"} 2\na_total{reason=\"stale\"} 3\na_total_other 7\n\
        # TYPE b histogram\nb_bucket{le=\"10\"} 3\nb_bucket{le=\"2\"} 1\n\
        b_bucket{le=\"+Inf\"} 4\nb_sum 40\nb_count 4\n";

    #[test]
    fn counters_are_summed_over_their_labels() {
        let exposition = Exposition::parse(TEXT).unwrap();
        assert_eq!(exposition.total("a_total"), 5.0);
        assert_eq!(exposition.total("a_total_other"), 7.0);
        assert_eq!(exposition.total("missing_total"), 0.0);
    }

    #[test]
    fn histograms_have_buckets_in_order() {
        let histogram = Exposition::parse(TEXT).unwrap().histogram("b");
        assert_eq!(histogram.mean(), Some(10.0));
        assert_eq!(histogram.quantile_at_most(0.25), Some(2.0));
        assert_eq!(histogram.quantile_at_most(0.5), Some(10.0));
    }

    #[test]
    fn several_processes_are_summed_sample_by_sample() {
        let read = |text| Exposition::parse(text).unwrap();
        let sum = Exposition::sum(&[read(TEXT), read("b_bucket{le=\"10\"} 2\nb_sum 4\nc 1\n")]);
        assert_eq!(sum.total("a_total"), 5.0);
        assert_eq!(sum.total("b_sum"), 44.0);
        assert_eq!(sum.total("b_bucket"), 3.0 + 2.0 + 1.0 + 4.0);
        assert_eq!(sum.total("c"), 1.0);
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let error = Exposition::parse("a 1\nnonsense\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`nonsense`"), "{error}");
    }
}
