//! One choice out of several, by logits `[A]` or probabilities φ `[A]`.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::choice::is_open;
use super::likelihood::Likelihood;

/// No probability is taken to be smaller where its logarithm is: a softmax may reach 0.
const MIN_PROBABILITY: f64 = 1e-8;

/// Probabilities of the open choices, 0 of the others.
pub fn softmax(logits: &[f32], mask: Option<&[bool]>, probabilities: &mut [f64]) {
    let largest = largest_open(logits, mask);
    let mut sum = 0.0;
    for (choice, (p, logit)) in probabilities.iter_mut().zip(logits).enumerate() {
        *p = match is_open(mask, choice) {
            true => (f64::from(*logit) - largest).exp(),
            false => 0.0,
        };
        sum += *p;
    }
    probabilities.iter_mut().for_each(|p| *p /= sum);
}

/// Adds to `gradient` what `dL/dφ` is at the logits of probabilities φ: `φ_i (g_i − Σ_j φ_j g_j)`.
pub fn softmax_gradient(phi: &[f64], of_phi: &[f64], gradient: &mut [f32]) {
    let mean: f64 = phi.iter().zip(of_phi).map(|(p, g)| p * g).sum();
    for ((to, p), g) in gradient.iter_mut().zip(phi).zip(of_phi) {
        *to += (p * (g - mean)) as f32;
    }
}

fn largest_open(logits: &[f32], mask: Option<&[bool]>) -> f64 {
    let open = logits
        .iter()
        .enumerate()
        .filter(|(choice, _)| is_open(mask, *choice));
    f64::from(open.fold(f32::NEG_INFINITY, |largest, (_, logit)| largest.max(*logit)))
}

/// How likely `action` was.
pub(super) fn likelihood(logits: &[f32], mask: Option<&[bool]>, action: i64) -> Likelihood {
    let largest = largest_open(logits, mask);
    // Σ exp(x_i) and Σ exp(x_i) x_i, with x_i from the largest on down: H = log Σ exp(x_i) − Σ π_i x_i.
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (choice, logit) in logits.iter().enumerate() {
        if is_open(mask, choice) {
            let x = f64::from(*logit) - largest;
            let exp = x.exp();
            sum += exp;
            weighted += exp * x;
        }
    }
    let log_sum = sum.ln();
    Likelihood {
        log_probability: f64::from(logits[action as usize]) - largest - log_sum,
        entropy: log_sum - weighted / sum,
    }
}

/// Adds to `gradient` what a loss's derivatives are at the logits, if the action's likelihood is `at`:
/// `∂ log π(a)/∂x_i = 1[i = a] − π_i`, `∂H/∂x_i = −π_i (log π_i + H)`.
pub(super) fn gradient(
    logits: &[f32],
    mask: Option<&[bool]>,
    action: i64,
    at: Likelihood,
    of: Likelihood,
    gradient: &mut [f32],
) {
    let log_sum = f64::from(logits[action as usize]) - at.log_probability;
    for (choice, (to, logit)) in gradient.iter_mut().zip(logits).enumerate() {
        if is_open(mask, choice) {
            let log_pi = f64::from(*logit) - log_sum;
            let pi = log_pi.exp();
            let taken = f64::from(u8::from(choice as i64 == action));
            let of_entropy = of.entropy * -pi * (log_pi + at.entropy);
            *to += (of.log_probability * (taken - pi) + of_entropy) as f32;
        }
    }
}

/// One index with probability softmax(`logits`) over the open choices.
pub(super) fn draw(logits: &[f32], mask: Option<&[bool]>, rng: &mut ChaCha8Rng) -> i64 {
    let largest = largest_open(logits, mask) as f32;
    let weight = |(choice, logit): (usize, &f32)| match is_open(mask, choice) {
        true => (logit - largest).exp(),
        false => 0.0,
    };
    let sum: f32 = logits.iter().enumerate().map(weight).sum();
    let mut left = rng.random::<f32>() * sum;
    for choice in logits.iter().enumerate() {
        left -= weight(choice);
        if left < 0.0 {
            return choice.0 as i64;
        }
    }
    // Rounding left nothing: the likeliest, which is never one that is not open.
    super::choice::best(logits, mask) as i64
}

/// `log f(a|φ)`.
pub(super) fn log_probability(phi: &[f64], action: usize) -> f64 {
    floored(phi[action]).ln()
}

/// `∇_φ log f(a|φ)`, `[A]`.
pub(super) fn score(phi: &[f64], action: usize, score: &mut [f64]) {
    score.fill(0.0);
    score[action] = floored(phi[action]).recip();
}

/// `KL[f(·|φ_avg) ‖ f(·|φ)]`.
pub(super) fn divergence(phi_avg: &[f64], phi: &[f64]) -> f64 {
    let parts = phi_avg.iter().zip(phi);
    parts
        .map(|(avg, p)| avg * (floored(*avg).ln() - floored(*p).ln()))
        .sum()
}

/// `∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[A]`.
pub(super) fn divergence_gradient(phi_avg: &[f64], phi: &[f64], gradient: &mut [f64]) {
    for ((to, avg), p) in gradient.iter_mut().zip(phi_avg).zip(phi) {
        *to = -avg / floored(*p);
    }
}

/// `H(f(·|φ))`.
pub(super) fn entropy(phi: &[f64]) -> f64 {
    -phi.iter().map(|p| p * floored(*p).ln()).sum::<f64>()
}

/// `∇_φ H(f(·|φ))`, `[A]`.
pub(super) fn entropy_gradient(phi: &[f64], gradient: &mut [f64]) {
    for (to, p) in gradient.iter_mut().zip(phi) {
        let of_logarithm = f64::from(u8::from(*p >= MIN_PROBABILITY));
        *to = -(floored(*p).ln() + of_logarithm);
    }
}

fn floored(probability: f64) -> f64 {
    probability.max(MIN_PROBABILITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_a_softmax_and_its_gradient() {
        let logits = [0.0, 1.0, 2.0];
        let found = likelihood(&logits, None, 2);
        assert!((found.entropy - 0.832_396).abs() < 1e-6);
        let of = Likelihood {
            log_probability: 0.0,
            entropy: 1.0,
        };
        let mut derivatives = [0.0; 3];
        gradient(&logits, None, 2, found, of, &mut derivatives);
        for (found, expected) in derivatives.iter().zip([0.141_817, 0.140_770, -0.282_587]) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn log_probability_of_a_softmax() {
        let logits = [0.0, 1.0, 2.0];
        let log_pi = |action| likelihood(&logits, None, action).log_probability;
        let total: f64 = (0..3).map(|action| log_pi(action).exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
        assert!((log_pi(2) - log_pi(1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_softmax_carries_gradients_back() {
        let logits = [0.3_f32, -1.0, 2.0];
        let of_phi = [0.5, -2.0, 1.5];
        let loss = |logits: &[f32; 3]| {
            let mut phi = [0.0; 3];
            softmax(logits, None, &mut phi);
            phi.iter().zip(of_phi).map(|(p, g)| p * g).sum::<f64>()
        };
        let mut phi = [0.0; 3];
        softmax(&logits, None, &mut phi);
        let mut found = [0.0; 3];
        softmax_gradient(&phi, &of_phi, &mut found);
        for i in 0..3 {
            let mut shifted = [logits; 2];
            shifted[0][i] += 1e-3;
            shifted[1][i] -= 1e-3;
            let width = f64::from(shifted[0][i]) - f64::from(shifted[1][i]);
            let numeric = (loss(&shifted[0]) - loss(&shifted[1])) / width;
            assert!((f64::from(found[i]) - numeric).abs() < 1e-6);
        }
    }
}
