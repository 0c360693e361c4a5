use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experience::Actions;
use troop_common::spaces::ActionSpace;

use super::choice::argmax;
use super::likelihood::Likelihood;
use super::{categorical, gaussian, multi_categorical};
use crate::nn::model::{Head, HeadKind};
use crate::nn::tensors::to_vec;

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
            kind: HeadKind::Acts,
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
            outputs[0] = categorical::shut(&outputs[0], masks);
        }
        outputs
    }

    /// What fully describes each row's distribution, `[B, P]`: log-probabilities of all choices, or
    /// mean and variance.
    pub fn statistics(&self, outputs: &[Tensor]) -> Tensor {
        match self {
            Self::Categorical { .. } => outputs[0].log_softmax(-1, None::<Kind>),
            Self::MultiCategorical { choices } => {
                multi_categorical::log_probabilities(&outputs[0], choices)
            }
            Self::Gaussian { .. } => {
                Tensor::cat(&[&outputs[0], &gaussian::variance(&outputs[1])], -1)
            }
        }
    }

    /// Draws an action for each row of the heads' outputs.
    pub fn sample(&self, outputs: &[Tensor], rng: &mut ChaCha8Rng) -> Actions {
        match self {
            Self::Categorical { actions } => {
                let logits = to_vec(&outputs[0]);
                let rows = logits.chunks_exact(*actions);
                Actions::Discrete(rows.map(|row| categorical::draw(row, rng)).collect())
            }
            Self::MultiCategorical { choices } => {
                let logits = to_vec(&outputs[0]);
                Actions::MultiDiscrete(multi_categorical::sample(&logits, choices, rng))
            }
            Self::Gaussian { dimensions } => {
                let means = to_vec(&outputs[0]);
                let deviations = to_vec(&gaussian::variance(&outputs[1]).sqrt());
                let noisy = |(i, mean): (usize, &f32)| {
                    mean + deviations[i / dimensions] * gaussian::standard_normal(rng)
                };
                Actions::Continuous(means.iter().enumerate().map(noisy).collect())
            }
        }
    }

    /// The likeliest action for each row of the heads' outputs.
    pub fn mode(&self, outputs: &[Tensor]) -> Actions {
        match self {
            Self::Categorical { .. } => Actions::Discrete(argmax(&outputs[0])),
            Self::MultiCategorical { choices } => {
                Actions::MultiDiscrete(multi_categorical::mode(&outputs[0], choices))
            }
            Self::Gaussian { .. } => Actions::Continuous(to_vec(&outputs[0])),
        }
    }

    /// How likely `actions` were, and how open the choice was, for each of `B` rows.
    ///
    /// # Panics
    /// If the actions are of another kind.
    pub fn likelihood(&self, outputs: &[Tensor], actions: &Actions) -> Likelihood {
        match (self, actions) {
            (Self::Categorical { .. }, Actions::Discrete(actions)) => {
                categorical::likelihood(&outputs[0], &Tensor::from_slice(actions))
            }
            (Self::MultiCategorical { choices }, Actions::MultiDiscrete(actions)) => {
                multi_categorical::likelihood(&outputs[0], actions, choices)
            }
            (Self::Gaussian { dimensions }, Actions::Continuous(actions)) => gaussian::likelihood(
                &outputs[0],
                &gaussian::variance(&outputs[1]),
                actions,
                *dimensions as i64,
            ),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
