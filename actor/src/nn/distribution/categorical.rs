//! One choice out of several, in terms of logits `[B, A]` or of probabilities φ `[B, A]`.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::likelihood::Likelihood;
use super::sums::over_last;

/// The logit of a choice that is not open: its probability is 0, and unlike −∞ it leaves no NaN in
/// the entropy's gradient.
const CLOSED_LOGIT: f64 = -1e9;

/// No probability is taken to be smaller: in 32 bits a softmax may reach 0.
const MIN_PROBABILITY: f64 = 1e-8;

/// Logits with those of choices that are not open shut off; `masks` are `[B, A]`.
pub(super) fn shut(logits: &Tensor, masks: &Tensor) -> Tensor {
    logits.masked_fill(&masks.logical_not(), CLOSED_LOGIT)
}

/// How likely `actions` `[B]` were by logits `[B, A]`.
pub(super) fn likelihood(logits: &Tensor, actions: &Tensor) -> Likelihood {
    let log_pi = logits.log_softmax(-1, None::<Kind>);
    let index = actions.unsqueeze(-1);
    let entropy =
        -(log_pi.exp() * &log_pi).sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
    Likelihood {
        log_probability: log_pi.gather(-1, &index, false).squeeze_dim(-1),
        entropy,
    }
}

/// One index with probability softmax(`logits`).
pub(super) fn draw(logits: &[f32], rng: &mut ChaCha8Rng) -> i64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: &f32| (logit - largest).exp();
    let mut left = rng.random::<f32>() * logits.iter().map(weight).sum::<f32>();
    for (index, logit) in logits.iter().enumerate() {
        left -= weight(logit);
        if left < 0.0 {
            return index as i64;
        }
    }
    // Rounding left nothing: the likeliest, which is never one that is shut off.
    logits
        .iter()
        .position(|logit| *logit == largest)
        .map_or(0, |index| index as i64)
}

/// `log f(a|φ)`, `[B]`, of actions `[B, 1]`.
pub(super) fn log_probability(phi: &Tensor, actions: &Tensor) -> Tensor {
    floored(&phi.gather(-1, actions, false))
        .log()
        .squeeze_dim(-1)
}

/// `∇_φ log f(a|φ)`, `[B, A]`.
pub(super) fn score(phi: &Tensor, actions: &Tensor) -> Tensor {
    let of_taken = floored(&phi.gather(-1, actions, false)).reciprocal();
    phi.zeros_like().scatter(-1, actions, &of_taken)
}

/// `KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B]`.
pub(super) fn divergence(phi_avg: &Tensor, phi: &Tensor) -> Tensor {
    over_last(&(phi_avg * (floored(phi_avg).log() - floored(phi).log())))
}

/// `∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B, A]`.
pub(super) fn divergence_gradient(phi_avg: &Tensor, phi: &Tensor) -> Tensor {
    -phi_avg / floored(phi)
}

/// `H(f(·|φ))`, `[B]`.
pub(super) fn entropy(phi: &Tensor) -> Tensor {
    -over_last(&(phi * floored(phi).log()))
}

fn floored(probabilities: &Tensor) -> Tensor {
    probabilities.clamp_min(MIN_PROBABILITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_a_softmax_and_its_gradient() {
        let logits = Tensor::from_slice(&[0.0_f64, 1.0, 2.0])
            .view([1, 3])
            .set_requires_grad(true);
        let entropy = likelihood(&logits, &Tensor::from_slice(&[2_i64]))
            .entropy
            .sum(Kind::Double);
        assert!((entropy.double_value(&[]) - 0.832_396).abs() < 1e-6);
        let gradient = Tensor::run_backward(&[&entropy], &[&logits], false, false).remove(0);
        for (i, expected) in [0.141_817, 0.140_770, -0.282_587].iter().enumerate() {
            assert!((gradient.double_value(&[0, i as i64]) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn log_probability_of_a_softmax() {
        let logits = Tensor::from_slice(&[0.0_f64, 1.0, 2.0]).view([1, 3]);
        let total: f64 = (0..3)
            .map(|a| {
                likelihood(&logits, &Tensor::from_slice(&[a]))
                    .log_probability
                    .double_value(&[0])
                    .exp()
            })
            .sum();
        assert!((total - 1.0).abs() < 1e-12);
        let ratio = likelihood(&logits, &Tensor::from_slice(&[2_i64])).log_probability
            - likelihood(&logits, &Tensor::from_slice(&[1_i64])).log_probability;
        assert!((ratio.double_value(&[0]) - 1.0).abs() < 1e-12);
    }
}
