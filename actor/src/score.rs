//! What whole episodes came to.

use troop_common::proto::v1::Episode;

/// Means over episodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean return.
    pub return_mean: f64,
    /// Standard deviation of the returns, with their number as divisor.
    pub return_std: f64,
    /// Mean length in env steps.
    pub length_mean: f64,
}

impl Score {
    /// That of some episodes; none of none.
    pub fn of(episodes: &[Episode]) -> Option<Self> {
        let returns = || episodes.iter().map(|episode| episode.return_sum);
        let return_mean = mean(returns())?;
        let variance = mean(returns().map(|r| (r - return_mean).powi(2)))?;
        Some(Self {
            return_mean,
            return_std: variance.sqrt(),
            length_mean: mean(episodes.iter().map(|episode| episode.length as f64))?,
        })
    }
}

/// None of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_means_and_a_deviation() {
        let episode = |return_sum, length| Episode { return_sum, length };
        let episodes = [episode(1.0, 10), episode(5.0, 20)];
        let expected = Score {
            return_mean: 3.0,
            return_std: 2.0,
            length_mean: 15.0,
        };
        assert_eq!(Score::of(&episodes), Some(expected));
        assert_eq!(Score::of(&[]), None);
    }
}
