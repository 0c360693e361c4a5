//! Statistics over few runs as Agarwal et al. 2021 ("Deep Reinforcement Learning at the Edge of the Statistical
//! Precipice") have them: interquartile means with stratified bootstrap intervals, and performance profiles. They are
//! ours; tests hold them against `rliable`, the authors' library.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::spread::three_digits;

/// Scores of runs, a list for each task.
pub(super) type Strata = Vec<Vec<f64>>;

/// Resamples behind an interval.
const RESAMPLES: usize = 5_000;

/// Ends of an interval that 95 % of the resamples lie in, as parts of them.
const ENDS: (f64, f64) = (0.025, 0.975);

/// A statistic with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Estimate {
    /// `167 [152, 237]`
    pub(super) fn text(&self) -> String {
        let [value, low, high] = [self.value, self.low, self.high].map(three_digits);
        format!("{value} [{low}, {high}]")
    }
}

/// `statistic` of all scores together. For the interval runs are drawn anew within each task, as many as there are, and
/// the interval's ends are percentiles of what they give. None without scores.
pub(super) fn estimate(
    strata: &[Vec<f64>],
    statistic: impl Fn(&mut [f64]) -> f64,
) -> Option<Estimate> {
    let mut scores = strata.concat();
    if scores.is_empty() {
        return None;
    }
    let value = statistic(&mut scores);
    // The same page each time it is made.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let resample = |_| {
        resample(strata, &mut scores, &mut rng);
        statistic(&mut scores)
    };
    let mut resampled: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    resampled.sort_by(f64::total_cmp);
    let (low, high) = (
        percentile(&resampled, ENDS.0),
        percentile(&resampled, ENDS.1),
    );
    Some(Estimate { value, low, high })
}

fn resample(strata: &[Vec<f64>], into: &mut Vec<f64>, rng: &mut ChaCha8Rng) {
    into.clear();
    for runs in strata {
        let draw = |_| {
            // The high half of a product of 64 bits each: no rest, no bias that matters for so few.
            let place = (u128::from(rng.next_u64()) * runs.len() as u128) >> 64;
            runs[place as usize]
        };
        into.extend((0..runs.len()).map(draw));
    }
}

/// Between the sorted values that lie around it.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// The mean of the middle half: a quarter of the scores, rounded down, is left out at each end.
pub(super) fn interquartile_mean(scores: &mut [f64]) -> f64 {
    scores.sort_by(f64::total_cmp);
    let cut = scores.len() / 4;
    let middle = &scores[cut..scores.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// The share of runs whose score is above `threshold`.
pub(super) fn share_above(scores: &[f64], threshold: f64) -> f64 {
    let above = scores.iter().filter(|score| **score > threshold).count();
    above as f64 / scores.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_half_is_what_counts() {
        let iqm = |scores: &[f64]| interquartile_mean(&mut scores.to_vec());
        assert_eq!(iqm(&[4.0]), 4.0);
        assert_eq!(iqm(&[1.0, 2.0, 6.0]), 3.0, "of three none is left out");
        assert_eq!(iqm(&[9e9, 2.0, 4.0, -9e9]), 3.0);
        assert_eq!(iqm(&[0.0, 1.0, 2.0, 3.0, 100.0]), 2.0);
    }

    #[test]
    fn percentiles_lie_between_values() {
        let sorted = [0.0, 10.0, 20.0, 30.0, 40.0];
        assert_eq!(percentile(&sorted, 0.5), 20.0);
        assert_eq!(percentile(&sorted, 0.025), 1.0);
        assert_eq!(percentile(&[7.0], 0.975), 7.0);
    }

    #[test]
    fn no_scores_have_no_estimate_and_equal_ones_no_width() {
        let iqm = |strata: &[Vec<f64>]| estimate(strata, interquartile_mean);
        assert_eq!(iqm(&[]), None);
        assert_eq!(iqm(&[vec![]]), None);
        let equal = Estimate {
            value: 5.0,
            low: 5.0,
            high: 5.0,
        };
        assert_eq!(iqm(&[vec![5.0; 3], vec![5.0]]), Some(equal));
        assert_eq!(equal.text(), "5 [5, 5]");
    }

    #[test]
    fn runs_are_drawn_within_their_task() {
        // Were they drawn from all, the mean would vary.
        let apart = estimate(&[vec![0.0; 4], vec![100.0; 4]], |scores| {
            scores.iter().sum::<f64>() / scores.len() as f64
        });
        let apart = apart.unwrap();
        assert_eq!((apart.low, apart.value, apart.high), (50.0, 50.0, 50.0));
    }

    /// Eight runs of three tasks.
    fn three_tasks() -> Strata {
        vec![
            vec![501.4, 372.0, 402.0, 424.5, 352.7, 400.1, 399.9, 294.7],
            vec![
                -109.3, -126.0, -175.0, -156.9, -129.8, -160.5, -159.7, -208.1,
            ],
            vec![80.3, 0.8, 27.5, 89.9, 7.9, 23.9, 71.9, 4.3],
        ]
    }

    /// Intervals are of random resamples on both sides; 20 000 there.
    fn is_near(found: f64, theirs: f64, width: f64) -> bool {
        (found - theirs).abs() <= 0.06 * width
    }

    #[test]
    fn interquartile_means_and_their_intervals_are_those_of_rliable() {
        // rliable 1.2.0, `get_interval_estimates` of `aggregate_iqm`.
        let one_task = vec![three_tasks()[0][..5].to_vec()];
        for (strata, value, low, high) in [
            (three_tasks(), 59.883_333_333, 42.474_583, 79.775_208),
            (one_task, 399.5, 359.133_333, 475.766_667),
        ] {
            let found = estimate(&strata, interquartile_mean).unwrap();
            assert!((found.value - value).abs() < 1e-6, "{found:?}");
            let width = high - low;
            assert!(is_near(found.low, low, width), "{found:?}");
            assert!(is_near(found.high, high, width), "{found:?}");
        }
    }

    #[test]
    fn performance_profiles_are_those_of_rliable() {
        // rliable 1.2.0, `create_performance_profile`: threshold, share of runs above it, its interval.
        for (threshold, share, low, high) in [
            (-200.0, 23.0 / 24.0, 0.875, 1.0),
            (-100.0, 16.0 / 24.0, 16.0 / 24.0, 16.0 / 24.0),
            (30.0, 11.0 / 24.0, 8.0 / 24.0, 14.0 / 24.0),
            (300.0, 7.0 / 24.0, 5.0 / 24.0, 8.0 / 24.0),
            (400.0, 4.0 / 24.0, 1.0 / 24.0, 7.0 / 24.0),
            (450.0, 1.0 / 24.0, 0.0, 3.0 / 24.0),
        ] {
            let found = estimate(&three_tasks(), |scores| share_above(scores, threshold)).unwrap();
            assert!((found.value - share).abs() < 1e-12, "{threshold} {found:?}");
            let ends = [(found.low, low), (found.high, high)];
            for (found, theirs) in ends {
                // A share moves in steps of one run of 24, and may lie a step beside on either side.
                assert!((found - theirs).abs() < 1.01 / 24.0, "{threshold} {found}");
            }
        }
    }
}
