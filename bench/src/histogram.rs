/// One bucket of a cumulative histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    /// Largest value that it counts.
    pub(super) upper: f64,
    /// Values up to that.
    pub(super) below: f64,
}

/// A histogram as Prometheus keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// By upper bound; the last one's is infinite.
    buckets: Vec<Bucket>,
    sum: f64,
}

impl Histogram {
    /// From its buckets in any order, and the sum of its values.
    pub(super) fn new(mut buckets: Vec<Bucket>, sum: f64) -> Self {
        buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
        Self { buckets, sum }
    }

    /// What was observed after `earlier`, an older state of the same histogram.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = |upper| {
            let bucket = earlier.buckets.iter().find(|bucket| bucket.upper == upper);
            bucket.map_or(0.0, |bucket| bucket.below)
        };
        let less = |bucket: &Bucket| Bucket {
            upper: bucket.upper,
            below: bucket.below - before(bucket.upper),
        };
        Self {
            buckets: self.buckets.iter().map(less).collect(),
            sum: self.sum - earlier.sum,
        }
    }

    fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |bucket| bucket.below)
    }

    /// Mean of the values; none if there are none.
    pub(super) fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0.0).then(|| self.sum / count)
    }

    /// The smallest bound that a share of `q` of all values does not exceed. None if there are
    /// no values, or no bound.
    pub(super) fn quantile_at_most(&self, q: f64) -> Option<f64> {
        let rank = q * self.count();
        let mut bounds = self.buckets.iter().filter(|bucket| bucket.below >= rank);
        let bound = bounds.next()?.upper;
        (rank > 0.0 && bound.is_finite()).then_some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(f64, f64)], sum: f64) -> Histogram {
        let bucket = |&(upper, below): &(f64, f64)| Bucket { upper, below };
        Histogram::new(buckets.iter().map(bucket).collect(), sum)
    }

    #[test]
    fn a_quantile_is_known_up_to_its_bucket() {
        let four = histogram(
            &[(1.0, 1.0), (2.0, 2.0), (4.0, 4.0), (f64::INFINITY, 4.0)],
            0.0,
        );
        assert_eq!(four.quantile_at_most(0.01), Some(1.0));
        assert_eq!(four.quantile_at_most(0.25), Some(1.0));
        assert_eq!(four.quantile_at_most(0.26), Some(2.0));
        assert_eq!(four.quantile_at_most(0.75), Some(4.0));
        assert_eq!(four.quantile_at_most(1.0), Some(4.0));
    }

    #[test]
    fn nothing_bounds_values_beyond_the_last_bound() {
        let tail = histogram(&[(1.0, 1.0), (f64::INFINITY, 100.0)], 0.0);
        assert_eq!(tail.quantile_at_most(0.99), None);
        assert_eq!(tail.quantile_at_most(0.01), Some(1.0));
    }

    #[test]
    fn a_first_bucket_at_0_holds_zeros() {
        let zeros = histogram(&[(0.0, 9.0), (1.0, 10.0), (f64::INFINITY, 10.0)], 1.0);
        assert_eq!(zeros.quantile_at_most(0.5), Some(0.0));
        assert_eq!(zeros.mean(), Some(0.1));
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = histogram(&[(1.0, 5.0), (2.0, 5.0), (f64::INFINITY, 5.0)], 2.5);
        let after = histogram(&[(1.0, 5.0), (2.0, 7.0), (f64::INFINITY, 7.0)], 5.5);
        let since = after.since(&before);
        assert_eq!(since.mean(), Some(1.5));
        assert_eq!(since.quantile_at_most(0.5), Some(2.0));
        assert_eq!(after.since(&after).quantile_at_most(0.5), None);
        assert_eq!(after.since(&after).mean(), None);
    }
}
