//! Distributions over actions: sampling, log-probabilities, entropies.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::spaces::ActionSpace;

use crate::environment::Actions;
use crate::model::Head;
use crate::segment::to_vec;

/// Added to every variance, so that it never reaches 0.
const MIN_VARIANCE: f64 = 1e-5;

/// A family of distributions, whose statistics are the outputs of the policy's heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Softmax over `A` logits `[B, A]`.
    Categorical {
        /// Number of actions, `A`.
        actions: usize,
    },
    /// Normal in `D` dimensions with one variance for all of them (Mnih et al. 2016, §9):
    /// mean `[B, D]`, variance softplus of `[B, 1]`.
    Gaussian {
        /// Dimensions of an action, `D`.
        dimensions: usize,
    },
}

/// Log-probabilities of taken actions and entropies, each `[B]`.
#[derive(Debug)]
pub struct Likelihood {
    /// `log π(a_i|s_i)`
    pub log_probability: Tensor,
    /// `H(π(s_i))`, the differential entropy for continuous actions.
    pub entropy: Tensor,
}

impl Policy {
    /// The family for an action space.
    pub fn for_actions(space: &ActionSpace) -> Self {
        match space {
            ActionSpace::Discrete { n } => Self::Categorical { actions: *n },
            ActionSpace::Box { low, .. } => Self::Gaussian {
                dimensions: low.len(),
            },
        }
    }

    /// The heads that give its statistics. Small gains: every action is about as likely at first.
    pub fn heads(self) -> Vec<Head> {
        match self {
            Self::Categorical { actions } => vec![Head {
                name: "policy",
                outputs: actions,
                gain: 0.01,
            }],
            Self::Gaussian { dimensions } => vec![
                Head {
                    name: "mean",
                    outputs: dimensions,
                    gain: 0.01,
                },
                Head {
                    name: "variance",
                    outputs: 1,
                    gain: 0.01,
                },
            ],
        }
    }

    /// No actions yet, of the right kind.
    pub fn no_actions(self) -> Actions {
        match self {
            Self::Categorical { .. } => Actions::Discrete(Vec::new()),
            Self::Gaussian { .. } => Actions::Continuous(Vec::new()),
        }
    }

    /// Draws an action for each row of the heads' outputs.
    pub fn sample(self, outputs: &[Tensor], rng: &mut ChaCha8Rng) -> Actions {
        match self {
            Self::Categorical { actions } => {
                let logits = to_vec(&outputs[0]);
                Actions::Discrete(
                    logits
                        .chunks_exact(actions)
                        .map(|row| draw(row, rng))
                        .collect(),
                )
            }
            Self::Gaussian { dimensions } => {
                let means = to_vec(&outputs[0]);
                let deviations = to_vec(&variance(&outputs[1]).sqrt());
                let noisy =
                    |(i, mean): (usize, &f32)| mean + deviations[i / dimensions] * gaussian(rng);
                Actions::Continuous(means.iter().enumerate().map(noisy).collect())
            }
        }
    }

    /// The likeliest action for each row of the heads' outputs.
    pub fn mode(self, outputs: &[Tensor]) -> Actions {
        match self {
            Self::Categorical { .. } => Actions::Discrete(argmax(&outputs[0])),
            Self::Gaussian { .. } => Actions::Continuous(to_vec(&outputs[0])),
        }
    }

    /// How likely `actions` were, and how open the choice was, for each of `B` rows.
    pub fn likelihood(self, outputs: &[Tensor], actions: &Actions) -> Likelihood {
        match (self, actions) {
            (Self::Categorical { .. }, Actions::Discrete(actions)) => {
                categorical(&outputs[0], actions)
            }
            (Self::Gaussian { dimensions }, Actions::Continuous(actions)) => gaussian_likelihood(
                &outputs[0],
                &variance(&outputs[1]),
                actions,
                dimensions as i64,
            ),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }
}

fn categorical(logits: &Tensor, actions: &[i64]) -> Likelihood {
    let log_pi = logits.log_softmax(-1, None::<Kind>);
    let index = Tensor::from_slice(actions).unsqueeze(-1);
    let entropy =
        -(log_pi.exp() * &log_pi).sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
    Likelihood {
        log_probability: log_pi.gather(-1, &index, false).squeeze_dim(-1),
        entropy,
    }
}

/// `variance` is `[B, 1]`.
fn gaussian_likelihood(
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
    let log_scale = (&variance * std::f64::consts::TAU).log();
    let half = dimensions as f64 / 2.0;
    Likelihood {
        log_probability: -squares / (&variance * 2.0) - &log_scale * half,
        entropy: (log_scale + 1.0) * half,
    }
}

fn variance(output: &Tensor) -> Tensor {
    output.softplus() + MIN_VARIANCE
}

/// One index with probability softmax(`logits`).
fn draw(logits: &[f32], rng: &mut ChaCha8Rng) -> i64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: &f32| (logit - largest).exp();
    let mut left = rng.random::<f32>() * logits.iter().map(weight).sum::<f32>();
    for (index, logit) in logits.iter().enumerate() {
        left -= weight(logit);
        if left < 0.0 {
            return index as i64;
        }
    }
    logits.len() as i64 - 1
}

/// A standard normal number, by Box and Muller.
fn gaussian(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// The index of the largest entry of each row of `[B, A]`.
pub(crate) fn argmax(values: &Tensor) -> Vec<i64> {
    let indices = values.argmax(-1, false);
    let mut actions = vec![0; indices.numel()];
    indices.copy_data(&mut actions, indices.numel());
    actions
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn entropy_of_a_softmax_and_its_gradient() {
        let logits = Tensor::from_slice(&[0.0_f64, 1.0, 2.0])
            .view([1, 3])
            .set_requires_grad(true);
        let entropy = categorical(&logits, &[2]).entropy.sum(Kind::Double);
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
                categorical(&logits, &[a])
                    .log_probability
                    .double_value(&[0])
                    .exp()
            })
            .sum();
        assert!((total - 1.0).abs() < 1e-12);
        let ratio =
            categorical(&logits, &[2]).log_probability - categorical(&logits, &[1]).log_probability;
        assert!((ratio.double_value(&[0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn entropy_and_density_of_a_unit_normal() {
        let mean = Tensor::from_slice(&[0.5_f64]).view([1, 1]);
        let one = Tensor::from_slice(&[1.0_f64]).view([1, 1]);
        let likelihood = gaussian_likelihood(&mean, &one, &[1.5], 1);
        assert!((likelihood.entropy.double_value(&[0]) - 1.418_939).abs() < 1e-6);
        assert!((likelihood.log_probability.double_value(&[0]) + 0.918_939 + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_spherical_normal_is_the_product_of_its_dimensions() {
        let mean = Tensor::from_slice(&[0.5_f64, -1.0]).view([1, 2]);
        let variance = Tensor::from_slice(&[0.25_f64]).view([1, 1]);
        let both = gaussian_likelihood(&mean, &variance, &[1.0, 0.0], 2);
        let one =
            |i: i64, action| gaussian_likelihood(&mean.narrow(1, i, 1), &variance, &[action], 1);
        let product = one(0, 1.0).log_probability + one(1, 0.0).log_probability;
        assert!((both.log_probability - product).double_value(&[0]).abs() < 1e-9);
        assert!(
            (both.entropy - one(0, 1.0).entropy * 2.0)
                .double_value(&[0])
                .abs()
                < 1e-9
        );
    }

    #[test]
    fn samples_follow_the_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let rows = 20_000;
        let logits = Tensor::from_slice(&[0.0_f32, 1.0, 2.0])
            .view([1, 3])
            .expand([rows, 3], false);
        let Actions::Discrete(actions) =
            (Policy::Categorical { actions: 3 }).sample(&[logits], &mut rng)
        else {
            panic!("discrete")
        };
        for (action, expected) in [0.090_031, 0.244_728, 0.665_241].iter().enumerate() {
            let found =
                actions.iter().filter(|a| **a == action as i64).count() as f64 / rows as f64;
            assert!(
                (found - expected).abs() < 0.015,
                "action {action}: {found} for {expected}"
            );
        }
        let mean = Tensor::from_slice(&[1.0_f32, -1.0])
            .view([1, 2])
            .expand([rows, 2], false);
        let raw = Tensor::from_slice(&[0.0_f32])
            .view([1, 1])
            .expand([rows, 1], false);
        let Actions::Continuous(actions) =
            (Policy::Gaussian { dimensions: 2 }).sample(&[mean, raw], &mut rng)
        else {
            panic!("continuous")
        };
        let first: Vec<f64> = actions.iter().step_by(2).map(|a| f64::from(*a)).collect();
        let mean = first.iter().sum::<f64>() / rows as f64;
        let variance = first.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / rows as f64;
        assert!(
            (mean - 1.0).abs() < 0.03 && (variance - 2.0_f64.ln()).abs() < 0.03,
            "{mean} {variance}"
        );
    }
}
