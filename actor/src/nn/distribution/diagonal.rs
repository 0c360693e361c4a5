//! Normal distributions whose deviation is one for each dimension, by its logarithm `x`: `σ² = e^{2x} + 10⁻⁵`.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;

use super::gaussian::{MIN_VARIANCE, standard_normal};
use super::likelihood::Likelihood;

/// What a dimension's output is beside the smallest variance: `e^{2x}`.
fn free_variance(output: f32) -> f64 {
    (2.0 * f64::from(output)).exp()
}

/// Draws an action for each row, `[B, D]`, from means and outputs for the deviation `[B, D]`.
pub(super) fn draw(means: &[f32], outputs: &[f32], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let noisy = |(mean, output): (&f32, &f32)| {
        let deviation = (free_variance(*output) + MIN_VARIANCE).sqrt() as f32;
        mean + deviation * standard_normal(rng)
    };
    means.iter().zip(outputs).map(noisy).collect()
}

/// How likely `action` `[D]` was by a mean `[D]` and the outputs for the deviation `[D]`.
pub(super) fn likelihood(mean: &[f32], outputs: &[f32], action: &[f32]) -> Likelihood {
    let mut sum = Likelihood::default();
    for ((mean, output), action) in mean.iter().zip(outputs).zip(action) {
        let variance = free_variance(*output) + MIN_VARIANCE;
        let (apart, log_scale) = (f64::from(*action) - f64::from(*mean), (variance * TAU).ln());
        sum.log_probability -= (apart * apart / variance + log_scale) / 2.0;
        sum.entropy += (log_scale + 1.0) / 2.0;
    }
    sum
}

/// Writes what a loss's derivatives are at the mean and at the outputs for the deviation, `[D]` each:
/// `∂ log π/∂μ = (a − μ)/σ²`, `∂ log π/∂x = ((a − μ)²/σ² − 1) s`, `∂H/∂x = s`, with `s = ½ d log σ²/dx = e^{2x}/σ²`.
pub(super) fn gradient(
    (mean, outputs): (&[f32], &[f32]),
    action: &[f32],
    of: Likelihood,
    (of_mean, of_outputs): (&mut [f32], &mut [f32]),
) {
    let to = of_mean.iter_mut().zip(of_outputs);
    let from = mean.iter().zip(outputs).zip(action);
    for ((of_mean, of_output), ((mean, output), action)) in to.zip(from) {
        let free = free_variance(*output);
        let (variance, apart) = (free + MIN_VARIANCE, f64::from(*action) - f64::from(*mean));
        *of_mean = (of.log_probability * apart / variance) as f32;
        let of_log_probability = of.log_probability * (apart * apart / variance - 1.0);
        *of_output = ((of_log_probability + of.entropy) * free / variance) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaussian;
    use super::*;

    #[test]
    fn with_one_deviation_it_is_the_spherical_normal() {
        // softplus(x) = e^{2y}
        let (x, free) = (0.3_f32, 0.3_f64.exp().ln_1p());
        let y = (free.ln() / 2.0) as f32;
        let (mean, action) = ([0.5, -1.0, 2.0], [0.7, 0.3, 1.5]);
        let found = likelihood(&mean, &[y; 3], &action);
        let expected = gaussian::likelihood(&mean, x, &action);
        assert!((found.log_probability - expected.log_probability).abs() < 1e-6);
        assert!((found.entropy - expected.entropy).abs() < 1e-6);
    }

    #[test]
    fn each_dimension_stands_for_itself() {
        // log N(1.5; 0.5, 1) and log N(0; 1, 2), H of deviation 1 and 2.
        let outputs = [0.0, 2.0_f32.ln()];
        let found = likelihood(&[0.5, 1.0], &outputs, &[1.5, 0.0]);
        let log_probability = -1.418_939 + -0.918_939 - 0.125 - std::f64::consts::LN_2;
        assert!((found.log_probability - log_probability).abs() < 2e-5);
        assert!((found.entropy - (1.418_939 * 2.0 + std::f64::consts::LN_2)).abs() < 2e-5);
    }

    #[test]
    fn deviations_stay_above_their_floor() {
        let found = likelihood(&[0.0], &[-1e6], &[0.0]);
        assert!(found.log_probability.is_finite() && found.entropy.is_finite());
        let (mut of_mean, mut of_output) = ([f32::NAN], [f32::NAN]);
        let to = (&mut of_mean[..], &mut of_output[..]);
        gradient((&[0.0], &[-1e6]), &[1.0], found, to);
        assert!(of_mean[0].is_finite() && of_output[0] == 0.0);
    }
}
