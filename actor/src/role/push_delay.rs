use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Which of its seed's streams a worker's delays come from; its other numbers come from stream 0.
const STREAM: u64 = 1;

/// Draws how long each gradient of a worker is held back: exponentially distributed times, as
/// between independent events, which make gradients stale for experiments.
#[derive(Clone, Debug)]
pub(crate) struct PushDelay {
    mean: Duration,
    generator: ChaCha8Rng,
}

impl PushDelay {
    /// Delays with this mean; none where it is 0.
    pub(crate) fn new(mean: Duration, worker_seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(worker_seed);
        generator.set_stream(STREAM);
        Self { mean, generator }
    }

    /// The next gradient's.
    pub(crate) fn next(&mut self) -> Duration {
        let uniform: f64 = self.generator.random();
        // Uniform on [0, 1), so that the logarithm is finite.
        self.mean.mul_f64(-(1.0 - uniform).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(mean_ms: u64, seed: u64, count: usize) -> Vec<f64> {
        let mut delay = PushDelay::new(Duration::from_millis(mean_ms), seed);
        (0..count).map(|_| delay.next().as_secs_f64()).collect()
    }

    #[test]
    fn delays_are_exponential_with_the_given_mean() {
        let count = 20_000;
        let delays = delays(40, 3, count);
        let mean = delays.iter().sum::<f64>() / count as f64;
        assert!((mean / 0.040 - 1.0).abs() < 0.03, "mean {mean} s");
        for quantile in [0.1, 0.5, 0.9, 0.99_f64] {
            let bound = -0.040 * (1.0 - quantile).ln();
            let below = delays.iter().filter(|delay| **delay < bound).count();
            let share = below as f64 / count as f64;
            assert!((share - quantile).abs() < 0.01, "{share} for {quantile}");
        }
    }

    #[test]
    fn no_mean_is_no_delay() {
        assert_eq!(delays(0, 3, 100), [0.0; 100]);
    }

    #[test]
    fn each_worker_has_delays_of_its_own_and_the_same_each_time() {
        assert_eq!(delays(40, 1, 10), delays(40, 1, 10));
        assert_ne!(delays(40, 1, 10), delays(40, 2, 10));
    }
}
