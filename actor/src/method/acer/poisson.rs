use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A number from Poisson's distribution, by Knuth's product of uniform numbers: exact for the small
/// means that a replay ratio has.
pub(super) fn poisson(mean: f64, rng: &mut ChaCha8Rng) -> usize {
    let limit = (-mean).exp();
    let mut product = rng.random::<f64>();
    let mut count = 0;
    while product > limit {
        product *= rng.random::<f64>();
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Mean and variance are both the mean; P(0) = e^−mean.
    #[test]
    fn it_has_poissons_moments() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for mean in [0.5, 4.0, 20.0] {
            let n = 40_000;
            let draws: Vec<f64> = (0..n).map(|_| poisson(mean, &mut rng) as f64).collect();
            let average = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|x| (x - average).powi(2)).sum::<f64>() / f64::from(n);
            assert!((average / mean - 1.0).abs() < 0.03, "{average} for {mean}");
            assert!(
                (variance / mean - 1.0).abs() < 0.05,
                "{variance} for {mean}"
            );
            let zeros = draws.iter().filter(|x| **x == 0.0).count() as f64 / f64::from(n);
            assert!((zeros - (-mean).exp()).abs() < 0.01);
        }
    }

    #[test]
    fn a_mean_of_zero_is_never_more() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!((0..1000).all(|_| poisson(0.0, &mut rng) == 0));
    }
}
