//! Normal distributions: one variance for all dimensions that a network gives, or a fixed deviation.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::likelihood::Likelihood;
use super::sums::over_last;

/// Added to every variance, so that it never reaches 0.
const MIN_VARIANCE: f64 = 1e-5;

/// How likely `actions` were by means `[B, D]` and variances `[B, 1]`.
pub(super) fn likelihood(
    mean: &Tensor,
    variance: &Tensor,
    actions: &[f32],
    dimensions: i64,
) -> Likelihood {
    let actions = Tensor::from_slice(actions)
        .view_as(mean)
        .to_kind(mean.kind());
    let squares =
        (actions - mean)
            .square()
            .sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
    let variance = variance.squeeze_dim(-1);
    let log_scale = (&variance * TAU).log();
    let half = dimensions as f64 / 2.0;
    Likelihood {
        log_probability: -squares / (&variance * 2.0) - &log_scale * half,
        entropy: (log_scale + 1.0) * half,
    }
}

/// The variance, `[B, 1]`, of a head's output.
pub(super) fn variance(output: &Tensor) -> Tensor {
    output.softplus() + MIN_VARIANCE
}

/// A standard normal number, by Box and Muller.
pub fn standard_normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// `log f(a|φ)`, `[B]`, of actions `[B, D]` by means φ and a fixed deviation.
pub(super) fn log_probability(phi: &Tensor, actions: &Tensor, deviation: f64) -> Tensor {
    let variance = deviation * deviation;
    let log_scale = (TAU * variance).ln() * phi.size()[1] as f64;
    (over_last(&(actions - phi).square()) / variance + log_scale) * -0.5
}

/// `∇_φ log f(a|φ)`, `[B, D]`.
pub(super) fn score(phi: &Tensor, actions: &Tensor, deviation: f64) -> Tensor {
    (actions - phi) / (deviation * deviation)
}

/// `KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B]`.
pub(super) fn divergence(phi_avg: &Tensor, phi: &Tensor, deviation: f64) -> Tensor {
    over_last(&(phi_avg - phi).square()) / (2.0 * deviation * deviation)
}

/// `∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B, D]`.
pub(super) fn divergence_gradient(phi_avg: &Tensor, phi: &Tensor, deviation: f64) -> Tensor {
    (phi - phi_avg) / (deviation * deviation)
}

/// `H(f(·|φ))`, `[B]`: the same whatever φ.
pub(super) fn entropy(phi: &Tensor, deviation: f64) -> Tensor {
    let [rows, dimensions] = phi.size()[..] else {
        panic!("expected statistics [B, K], found {:?}", phi.size())
    };
    let of_one = 0.5 * ((TAU * deviation * deviation).ln() + 1.0);
    Tensor::full(
        [rows],
        of_one * dimensions as f64,
        (phi.kind(), phi.device()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_and_density_of_a_unit_normal() {
        let mean = Tensor::from_slice(&[0.5_f64]).view([1, 1]);
        let one = Tensor::from_slice(&[1.0_f64]).view([1, 1]);
        let found = likelihood(&mean, &one, &[1.5], 1);
        assert!((found.entropy.double_value(&[0]) - 1.418_939).abs() < 1e-6);
        assert!((found.log_probability.double_value(&[0]) + 0.918_939 + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_spherical_normal_is_the_product_of_its_dimensions() {
        let mean = Tensor::from_slice(&[0.5_f64, -1.0]).view([1, 2]);
        let variance = Tensor::from_slice(&[0.25_f64]).view([1, 1]);
        let both = likelihood(&mean, &variance, &[1.0, 0.0], 2);
        let one = |i: i64, action| likelihood(&mean.narrow(1, i, 1), &variance, &[action], 1);
        let product = one(0, 1.0).log_probability + one(1, 0.0).log_probability;
        assert!((both.log_probability - product).double_value(&[0]).abs() < 1e-9);
        assert!(
            (both.entropy - one(0, 1.0).entropy * 2.0)
                .double_value(&[0])
                .abs()
                < 1e-9
        );
    }
}
