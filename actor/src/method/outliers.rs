//! Which gradients are discarded for the size of their loss (Nair et al. 2015, §3).

/// Discards a loss above the running mean plus `k` running standard deviations.
///
/// Mean and variance are exponentially weighted; until `1 / (1 − decay)` samples were seen they are those of all samples. A
/// loss that is discarded enters them as the limit that it exceeded: so a single monster hardly moves the limit, and one
/// that stays high, because the task has changed, is let through after some time. Nothing is
/// discarded before `min_samples`, or while all samples were equal.
#[derive(Clone, Debug)]
pub(super) struct Outliers {
    deviations: Option<f64>,
    decay: f64,
    min_samples: u64,
    samples: u64,
    mean: f64,
    variance: f64,
}

impl Outliers {
    /// `deviations` is `k`; without it nothing is discarded.
    pub(super) fn new(deviations: Option<f64>, decay: f64, min_samples: u64) -> Self {
        Self {
            deviations,
            decay,
            min_samples,
            samples: 0,
            mean: 0.0,
            variance: 0.0,
        }
    }

    /// Whether a gradient of this absolute loss is kept. One that is not finite is left to the learner, which
    /// refuses and counts it.
    pub(super) fn admits(&mut self, loss: f64) -> bool {
        if !loss.is_finite() {
            return true;
        }
        let limit = self.limit();
        self.enter(loss.min(limit));
        loss <= limit
    }

    fn limit(&self) -> f64 {
        match self.deviations {
            Some(k) if self.samples >= self.min_samples && self.variance > 0.0 => {
                self.mean + k * self.variance.sqrt()
            }
            _ => f64::INFINITY,
        }
    }

    fn enter(&mut self, loss: f64) {
        self.samples += 1;
        let weight = (1.0 - self.decay).max(1.0 / self.samples as f64);
        let step = weight * (loss - self.mean);
        self.variance = (1.0 - weight) * (self.variance + step * (loss - self.mean));
        self.mean += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn first_the_statistics_are_those_of_all_samples() {
        let mut outliers = Outliers::new(Some(3.0), 0.999, 1_000);
        let losses = [1.0, 5.0, 2.0, 9.0, 4.0];
        for loss in losses {
            assert!(outliers.admits(loss));
        }
        let mean = losses.iter().sum::<f64>() / 5.0;
        let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 5.0;
        assert!((outliers.mean - mean).abs() < 1e-12);
        assert!((outliers.variance - variance).abs() < 1e-12);
    }

    /// From the definition: weights `(1 − α) α^k` of the newest samples, the rest on the oldest ones.
    #[test]
    fn later_they_are_exponentially_weighted() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let decay = 0.9;
        let mut outliers = Outliers::new(None, decay, 2);
        let losses: Vec<f64> = (0..60).map(|_| rng.random_range(0.0..3.0)).collect();
        for loss in &losses {
            outliers.admits(*loss);
        }
        let mut weights = vec![0.1; 10];
        for _ in 10..60 {
            weights.iter_mut().for_each(|weight| *weight *= decay);
            weights.push(1.0 - decay);
        }
        let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
            losses.iter().zip(&weights).map(|(l, w)| w * of(*l)).sum()
        };
        let mean = sum(&|loss| loss);
        assert!((outliers.mean - mean).abs() < 1e-12);
        let variance = sum(&|loss| (loss - mean).powi(2));
        assert!((outliers.variance - variance).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_discarded_before_there_are_enough_samples() {
        let mut outliers = Outliers::new(Some(2.0), 0.99, 50);
        for i in 0..50 {
            assert!(outliers.admits(f64::from(i % 2)));
        }
        let limit = outliers.limit();
        assert!((limit - (0.5 + 2.0 * 0.5)).abs() < 1e-9);
        assert!(!outliers.clone().admits(limit + 1e-6));
        assert!(outliers.admits(limit - 1e-6));
    }

    #[test]
    fn a_monster_enters_as_the_limit_and_not_as_itself() {
        let mut outliers = Outliers::new(Some(5.0), 0.999, 100);
        for i in 0..1_000 {
            outliers.admits(f64::from(i % 3));
        }
        let limit = outliers.limit();
        assert!(!outliers.admits(1e30));
        assert!(outliers.limit() < 1.1 * limit);
    }

    #[test]
    fn losses_that_stay_high_are_let_through_in_time() {
        let mut outliers = Outliers::new(Some(5.0), 0.999, 100);
        for i in 0..1_000 {
            outliers.admits(1.0 + 0.01 * f64::from(i % 3));
        }
        let discarded = (0..).take_while(|_| !outliers.admits(1_000.0)).count();
        assert!((1..2_000).contains(&discarded), "{discarded}");
    }

    #[test]
    fn equal_losses_and_losses_that_are_not_finite_are_kept() {
        let mut outliers = Outliers::new(Some(2.0), 0.9, 2);
        for _ in 0..100 {
            assert!(outliers.admits(0.25));
        }
        assert!(outliers.admits(7.0));
        let before = (outliers.mean, outliers.variance);
        assert!(outliers.admits(f64::NAN) && outliers.admits(f64::INFINITY));
        assert_eq!((outliers.mean, outliers.variance), before);
    }
}
