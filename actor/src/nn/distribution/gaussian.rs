//! Normal distributions: one variance for all dimensions that a network gives, or a fixed deviation.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::likelihood::Likelihood;

/// Added to every variance, so that it never reaches 0.
pub(super) const MIN_VARIANCE: f64 = 1e-5;

/// The variance of a head's output: softplus, and a little.
fn variance(output: f32) -> f64 {
    let x = f64::from(output);
    x.max(0.0) + (-x.abs()).exp().ln_1p() + MIN_VARIANCE
}

/// `dσ²/dx` of a head's output `x`.
fn variance_slope(output: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(output)).exp())
}

fn squares(mean: &[f32], action: &[f32]) -> f64 {
    let pairs = mean.iter().zip(action);
    pairs
        .map(|(mean, action)| (f64::from(*action) - f64::from(*mean)).powi(2))
        .sum()
}

/// How likely `action` `[D]` was by a mean `[D]` and the output of the head for the variance.
pub(super) fn likelihood(mean: &[f32], output: f32, action: &[f32]) -> Likelihood {
    let (variance, half) = (variance(output), mean.len() as f64 / 2.0);
    let log_scale = (variance * TAU).ln();
    Likelihood {
        log_probability: -squares(mean, action) / (2.0 * variance) - log_scale * half,
        entropy: (log_scale + 1.0) * half,
    }
}

/// Draws an action `[D]` for each row's mean `[D]` and output of the head for the variance, one after the other.
pub(super) fn draw<'a>(
    rows: impl Iterator<Item = (&'a [f32], &'a f32)>,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let mut drawn = Vec::new();
    for (mean, output) in rows {
        let deviation = variance(*output).sqrt() as f32;
        drawn.extend(
            mean.iter()
                .map(|mean| mean + deviation * standard_normal(rng)),
        );
    }
    drawn
}

/// Writes what a loss's derivatives are at the mean `[D]`, and gives that at the variance's output:
/// `∂ log π/∂μ = (a − μ)/σ²`, `∂ log π/∂σ² = ‖a − μ‖²/2σ⁴ − D/2σ²`, `∂H/∂σ² = D/2σ²`.
pub(super) fn gradient(
    mean: &[f32],
    output: f32,
    action: &[f32],
    of: Likelihood,
    of_mean: &mut [f32],
) -> f32 {
    let (variance, half) = (variance(output), mean.len() as f64 / 2.0);
    for ((to, mean), action) in of_mean.iter_mut().zip(mean).zip(action) {
        let apart = f64::from(*action) - f64::from(*mean);
        *to = (of.log_probability * apart / variance) as f32;
    }
    let of_entropy = half / variance;
    let of_log_probability = squares(mean, action) / (2.0 * variance * variance) - of_entropy;
    let of_variance = of.log_probability * of_log_probability + of.entropy * of_entropy;
    (of_variance * variance_slope(output)) as f32
}

/// A standard normal number, by Box and Muller.
pub fn standard_normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// `log f(a|φ)` by means φ `[D]` and a fixed deviation.
pub(super) fn log_probability(phi: &[f64], action: &[f64], deviation: f64) -> f64 {
    let variance = deviation * deviation;
    let log_scale = (TAU * variance).ln() * phi.len() as f64;
    (apart(phi, action) / variance + log_scale) * -0.5
}

/// `∇_φ log f(a|φ)`, `[D]`.
pub(super) fn score(phi: &[f64], action: &[f64], deviation: f64, score: &mut [f64]) {
    for ((to, phi), action) in score.iter_mut().zip(phi).zip(action) {
        *to = (action - phi) / (deviation * deviation);
    }
}

/// `KL[f(·|φ_avg) ‖ f(·|φ)]`.
pub(super) fn divergence(phi_avg: &[f64], phi: &[f64], deviation: f64) -> f64 {
    apart(phi_avg, phi) / (2.0 * deviation * deviation)
}

/// `∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[D]`.
pub(super) fn divergence_gradient(
    phi_avg: &[f64],
    phi: &[f64],
    deviation: f64,
    gradient: &mut [f64],
) {
    for ((to, avg), phi) in gradient.iter_mut().zip(phi_avg).zip(phi) {
        *to = (phi - avg) / (deviation * deviation);
    }
}

/// `H(f(·|φ))`: the same whatever φ.
pub(super) fn entropy(phi: &[f64], deviation: f64) -> f64 {
    0.5 * ((TAU * deviation * deviation).ln() + 1.0) * phi.len() as f64
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output whose variance is `variance`.
    fn output(variance: f64) -> f32 {
        (variance - MIN_VARIANCE).exp_m1().ln() as f32
    }

    #[test]
    fn entropy_and_density_of_a_unit_normal() {
        let found = likelihood(&[0.5], output(1.0), &[1.5]);
        assert!((found.entropy - 1.418_939).abs() < 1e-6);
        assert!((found.log_probability + 0.918_939 + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_spherical_normal_is_the_product_of_its_dimensions() {
        let (mean, action, raw) = ([0.5, -1.0], [0.7, 0.3], output(0.3));
        let both = likelihood(&mean, raw, &action);
        let of = |i: usize| likelihood(&mean[i..=i], raw, &action[i..=i]);
        let sum = of(0).log_probability + of(1).log_probability;
        assert!((both.log_probability - sum).abs() < 1e-12);
        assert!((both.entropy - of(0).entropy - of(1).entropy).abs() < 1e-12);
    }

    #[test]
    fn a_variance_stays_above_its_floor() {
        assert!(variance(-1e6) >= MIN_VARIANCE);
        assert!((variance(50.0) - 50.0 - MIN_VARIANCE).abs() < 1e-9);
    }
}
