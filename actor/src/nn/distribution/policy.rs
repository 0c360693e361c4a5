//! Distributions over actions: sampling, log-probabilities, entropies.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::spaces::ActionSpace;

use crate::environment::Actions;
use crate::model::{Head, Role};
use crate::segment::to_vec;

/// Added to every variance, so that it never reaches 0.
const MIN_VARIANCE: f64 = 1e-5;

/// The logit of a choice that is not open: its probability is 0, and unlike −∞ it leaves no NaN in
/// the entropy's gradient.
const CLOSED_LOGIT: f64 = -1e9;

/// A family of distributions, whose statistics are the outputs of the policy's heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Softmax over `A` logits `[B, A]`.
    Categorical {
        /// Number of actions, `A`.
        actions: usize,
    },
    /// Independent softmaxes, one a component, over logits `[B, Σ A_k]`.
    MultiCategorical {
        /// Number of choices of each component, `[K]`.
        choices: Vec<usize>,
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
            ActionSpace::MultiDiscrete { n } => Self::MultiCategorical { choices: n.clone() },
            ActionSpace::Box { low, .. } => Self::Gaussian {
                dimensions: low.len(),
            },
        }
    }

    /// The heads that give its statistics. Small gains: every action is about as likely at first.
    pub fn heads(&self) -> Vec<Head> {
        let head = |name, outputs| Head {
            name,
            outputs,
            gain: 0.01,
            role: Role::Acts,
        };
        match self {
            Self::Categorical { actions } => vec![head("policy", *actions)],
            Self::MultiCategorical { choices } => vec![head("policy", choices.iter().sum())],
            Self::Gaussian { dimensions } => vec![head("mean", *dimensions), head("variance", 1)],
        }
    }

    /// The heads' outputs with the logits of choices that are not open shut off; `masks` are
    /// `[B, M]`. Everything below takes outputs as this gives them.
    pub fn shut(&self, mut outputs: Vec<Tensor>, masks: Option<&Tensor>) -> Vec<Tensor> {
        if let (Self::Categorical { .. } | Self::MultiCategorical { .. }, Some(masks)) =
            (self, masks)
        {
            outputs[0] = outputs[0].masked_fill(&masks.logical_not(), CLOSED_LOGIT);
        }
        outputs
    }

    /// What fully describes each row's distribution, `[B, P]`: log-probabilities of all choices, or
    /// mean and variance.
    pub fn statistics(&self, outputs: &[Tensor]) -> Tensor {
        match self {
            Self::Categorical { .. } => outputs[0].log_softmax(-1, None::<Kind>),
            Self::MultiCategorical { choices } => {
                let parts = components(&outputs[0], choices);
                let log_pi: Vec<Tensor> = parts
                    .iter()
                    .map(|logits| logits.log_softmax(-1, None::<Kind>))
                    .collect();
                Tensor::cat(&log_pi, -1)
            }
            Self::Gaussian { .. } => Tensor::cat(&[&outputs[0], &variance(&outputs[1])], -1),
        }
    }

    /// Draws an action for each row of the heads' outputs.
    pub fn sample(&self, outputs: &[Tensor], rng: &mut ChaCha8Rng) -> Actions {
        match self {
            Self::Categorical { actions } => {
                let logits = to_vec(&outputs[0]);
                let rows = logits.chunks_exact(*actions);
                Actions::Discrete(rows.map(|row| draw(row, rng)).collect())
            }
            Self::MultiCategorical { choices } => {
                let logits = to_vec(&outputs[0]);
                let mut rest = &logits[..];
                let mut drawn = Vec::new();
                for n in choices.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (row, tail) = rest.split_at(*n);
                    drawn.push(draw(row, rng));
                    rest = tail;
                }
                Actions::MultiDiscrete(drawn)
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
    pub fn mode(&self, outputs: &[Tensor]) -> Actions {
        match self {
            Self::Categorical { .. } => Actions::Discrete(argmax(&outputs[0])),
            Self::MultiCategorical { choices } => {
                let best: Vec<Vec<i64>> = components(&outputs[0], choices)
                    .iter()
                    .map(argmax)
                    .collect();
                let rows = best.first().map_or(0, Vec::len);
                let row = |row| best.iter().map(move |component| component[row]);
                Actions::MultiDiscrete((0..rows).flat_map(row).collect())
            }
            Self::Gaussian { .. } => Actions::Continuous(to_vec(&outputs[0])),
        }
    }

    /// How likely `actions` were, and how open the choice was, for each of `B` rows.
    ///
    /// # Panics
    /// Where the actions are of another kind.
    pub fn likelihood(&self, outputs: &[Tensor], actions: &Actions) -> Likelihood {
        match (self, actions) {
            (Self::Categorical { .. }, Actions::Discrete(actions)) => {
                categorical(&outputs[0], &Tensor::from_slice(actions))
            }
            (Self::MultiCategorical { choices }, Actions::MultiDiscrete(actions)) => {
                multi_categorical(&outputs[0], actions, choices)
            }
            (Self::Gaussian { dimensions }, Actions::Continuous(actions)) => gaussian_likelihood(
                &outputs[0],
                &variance(&outputs[1]),
                actions,
                *dimensions as i64,
            ),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }
}

/// The logits `[B, A_k]` of each component.
fn components(logits: &Tensor, choices: &[usize]) -> Vec<Tensor> {
    let sizes: Vec<i64> = choices.iter().map(|n| *n as i64).collect();
    logits.split_with_sizes(sizes, -1)
}

/// `actions` are `[B, K]`. A product of distributions: both parts are sums over components.
fn multi_categorical(logits: &Tensor, actions: &[i64], choices: &[usize]) -> Likelihood {
    let actions = Tensor::from_slice(actions).view([-1, choices.len() as i64]);
    let parts = components(logits, choices);
    let parts = (0..)
        .zip(&parts)
        .map(|(k, logits)| categorical(logits, &actions.select(1, k)));
    let (log_probabilities, entropies): (Vec<Tensor>, Vec<Tensor>) = parts
        .map(|part| (part.log_probability, part.entropy))
        .unzip();
    let sum = |parts: Vec<Tensor>| {
        Tensor::stack(&parts, 0).sum_dim_intlist([0_i64].as_slice(), false, None::<Kind>)
    };
    Likelihood {
        log_probability: sum(log_probabilities),
        entropy: sum(entropies),
    }
}

/// `actions` are `[B]`.
fn categorical(logits: &Tensor, actions: &Tensor) -> Likelihood {
    let log_pi = logits.log_softmax(-1, None::<Kind>);
    let index = actions.unsqueeze(-1);
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
    // Rounding left nothing: the likeliest, which is never one that is shut off.
    logits
        .iter()
        .position(|logit| *logit == largest)
        .map_or(0, |index| index as i64)
}

/// A standard normal number, by Box and Muller.
pub(super) fn gaussian(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// Values `[B, A]` with −∞ for actions that are not open.
pub(super) fn masked(values: &Tensor, masks: Option<&Tensor>) -> Tensor {
    match masks {
        Some(masks) => values.masked_fill(&masks.logical_not(), f64::NEG_INFINITY),
        None => values.shallow_clone(),
    }
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
        let entropy = categorical(&logits, &Tensor::from_slice(&[2_i64]))
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
                categorical(&logits, &Tensor::from_slice(&[a]))
                    .log_probability
                    .double_value(&[0])
                    .exp()
            })
            .sum();
        assert!((total - 1.0).abs() < 1e-12);
        let ratio = categorical(&logits, &Tensor::from_slice(&[2_i64])).log_probability
            - categorical(&logits, &Tensor::from_slice(&[1_i64])).log_probability;
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

    #[test]
    fn several_choices_are_the_product_of_their_parts() {
        let logits = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, -1.0, 0.5]).view([1, 5]);
        let policy = Policy::MultiCategorical {
            choices: vec![3, 2],
        };
        let outputs = [logits.shallow_clone()];
        let both = policy.likelihood(&outputs, &Actions::MultiDiscrete(vec![2, 0]));
        let one = |start, len, action: i64| {
            categorical(
                &logits.narrow(1, start, len),
                &Tensor::from_slice(&[action]),
            )
        };
        let (first, second) = (one(0, 3, 2), one(3, 2, 0));
        let same = |a: Tensor, b: Tensor| assert!((a - b).abs().double_value(&[0]) < 1e-12);
        same(
            both.log_probability,
            first.log_probability + second.log_probability,
        );
        same(both.entropy, first.entropy + second.entropy);
        assert_eq!(policy.mode(&outputs), Actions::MultiDiscrete(vec![2, 1]));
        let statistics = policy.statistics(&outputs);
        same(statistics.select(1, 2), one(0, 3, 2).log_probability);
        same(statistics.select(1, 3), one(3, 2, 0).log_probability);
    }

    #[test]
    fn several_choices_are_drawn_independently() {
        let rows = 20_000;
        let logits = Tensor::from_slice(&[0.0_f32, 1.0, 2.0, 0.0, 1.0]).view([1, 5]);
        let policy = Policy::MultiCategorical {
            choices: vec![3, 2],
        };
        let outputs = [logits.expand([rows, 5], false)];
        let Actions::MultiDiscrete(drawn) =
            policy.sample(&outputs, &mut ChaCha8Rng::seed_from_u64(1))
        else {
            panic!("several choices")
        };
        assert_eq!(drawn.len(), 2 * rows as usize);
        for (first, second, expected) in
            [(2, 1, 0.665_241 * 0.731_059), (0, 0, 0.090_031 * 0.268_941)]
        {
            let pair = [first, second];
            let found = drawn.chunks_exact(2).filter(|row| **row == pair).count() as f64;
            assert!((found / rows as f64 - expected).abs() < 0.015, "{pair:?}");
        }
    }

    #[test]
    fn closed_choices_have_no_probability_no_entropy_and_no_gradient() {
        let policy = Policy::Categorical { actions: 3 };
        let logits = Tensor::from_slice(&[0.0_f64, 1.0, 9.0])
            .view([1, 3])
            .set_requires_grad(true);
        let masks = Tensor::from_slice(&[true, true, false]).view([1, 3]);
        let outputs = policy.shut(vec![logits.shallow_clone()], Some(&masks));
        let likelihood = policy.likelihood(&outputs, &Actions::Discrete(vec![1]));
        // Of two logits 0 and 1.
        assert!((likelihood.log_probability.double_value(&[0]) + 0.313_262).abs() < 1e-6);
        assert!((likelihood.entropy.double_value(&[0]) - 0.582_203).abs() < 1e-6);
        let sum = (likelihood.log_probability + likelihood.entropy).sum(Kind::Double);
        let gradient = Tensor::run_backward(&[&sum], &[&logits], false, false).remove(0);
        assert_eq!(gradient.double_value(&[0, 2]), 0.0);
        assert!(gradient.double_value(&[0, 0]).is_finite());
        assert_eq!(policy.mode(&outputs), Actions::Discrete(vec![1]));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..1000 {
            assert_ne!(
                policy.sample(&outputs, &mut rng),
                Actions::Discrete(vec![2])
            );
        }
    }
}
