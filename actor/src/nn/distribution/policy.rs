use rand_chacha::ChaCha8Rng;
use troop_common::experience::Actions;
use troop_common::experiment::{Deviation, ModelSettings};
use troop_common::spaces::ActionSpace;

use super::choice::{best, mask_of};
use super::likelihood::Likelihood;
use super::{categorical, diagonal, gaussian, multi_categorical};
use crate::nn::network::{Head, HeadKind};

/// A family of distributions, whose statistics are the outputs of the policy's heads: `[B, O]` each, and
/// masks `[B, M]` of the choices that are open, empty if all are.
#[derive(Clone, Debug, PartialEq)]
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
    /// Normal in `D` dimensions: mean `[B, D]`, and the logarithm of each dimension's deviation `[B, D]`, which is
    /// the same in every state.
    DiagonalGaussian {
        /// Dimensions of an action, `D`.
        dimensions: usize,
        /// σ at first.
        initial_deviation: f64,
    },
}

/// What the policy's heads gave for `B` states.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    /// `[B, O]` each.
    pub heads: &'a [Vec<f32>],
    /// `[B, M]`, or empty.
    pub masks: &'a [bool],
}

impl Policy {
    /// The family for an action space that a model's settings ask for.
    pub fn for_actions(space: &ActionSpace, model: &ModelSettings) -> Self {
        match space {
            ActionSpace::Box { low, .. } if model.deviation == Deviation::Parameter => {
                Self::DiagonalGaussian {
                    dimensions: low.len(),
                    initial_deviation: model.initial_deviation,
                }
            }
            ActionSpace::Discrete { n } => Self::Categorical { actions: *n },
            ActionSpace::MultiDiscrete { n } => Self::MultiCategorical { choices: n.clone() },
            ActionSpace::Box { low, .. } => Self::Gaussian {
                dimensions: low.len(),
            },
        }
    }

    /// The heads that give its statistics. Small gains: every action is about as likely at first.
    pub fn heads(&self) -> Vec<Head> {
        let head = |name, outputs, kind| Head {
            name,
            outputs,
            gain: 0.01,
            kind,
        };
        let (width, acts) = (self.width(), HeadKind::Acts);
        match self {
            Self::Categorical { .. } | Self::MultiCategorical { .. } => {
                vec![head("policy", width, acts)]
            }
            Self::Gaussian { .. } => vec![head("mean", width, acts), head("variance", 1, acts)],
            Self::DiagonalGaussian {
                initial_deviation, ..
            } => {
                let initial = initial_deviation.ln() as f32;
                let free = head("log_deviation", width, HeadKind::Free { initial });
                vec![head("mean", width, acts), free]
            }
        }
    }

    /// The heads' outputs row by row, as [`separated`](Self::separated) takes them apart: `[B, P]` with
    /// `P` = [`statistics_len`](Self::statistics_len).
    pub fn joined(&self, of: Statistics<'_>) -> Vec<f32> {
        let widths = self.widths();
        let rows = of.heads[0].len() / widths[0];
        let mut joined = Vec::with_capacity(rows * self.statistics_len());
        for row in 0..rows {
            for (head, width) in of.heads.iter().zip(&widths) {
                joined.extend_from_slice(&head[row * width..(row + 1) * width]);
            }
        }
        joined
    }

    /// The heads' outputs, `[B, O]` each, from what was [`joined`](Self::joined).
    ///
    /// # Panics
    /// If it is not whole rows.
    pub fn separated(&self, joined: &[f32]) -> Vec<Vec<f32>> {
        let all = self.statistics_len();
        assert_eq!(joined.len() % all, 0, "rows of {all} numbers");
        let mut start = 0;
        let head = |width: usize| {
            let own = start..start + width;
            start += width;
            let rows = joined.chunks_exact(all);
            rows.flat_map(|row| &row[own.clone()]).copied().collect()
        };
        self.widths().into_iter().map(head).collect()
    }

    /// How many numbers say what one row's distribution is, `P`.
    pub fn statistics_len(&self) -> usize {
        self.widths().iter().sum()
    }

    /// Outputs of each head, `O`.
    fn widths(&self) -> Vec<usize> {
        self.heads().iter().map(|head| head.outputs).collect()
    }

    /// Outputs of its first head.
    fn width(&self) -> usize {
        match self {
            Self::Categorical { actions } => *actions,
            Self::MultiCategorical { choices } => choices.iter().sum(),
            Self::Gaussian { dimensions } | Self::DiagonalGaussian { dimensions, .. } => {
                *dimensions
            }
        }
    }

    /// Each row of the first head, with what is open of it.
    fn rows<'a>(
        &self,
        of: Statistics<'a>,
    ) -> impl Iterator<Item = (&'a [f32], Option<&'a [bool]>)> {
        let rows = of.heads[0].chunks_exact(self.width());
        let count = rows.len();
        rows.enumerate()
            .map(move |(row, outputs)| (outputs, mask_of(of.masks, row, count)))
    }

    /// Draws an action for each row.
    pub fn sample(&self, of: Statistics<'_>, rng: &mut ChaCha8Rng) -> Actions {
        let rows = self.rows(of);
        match self {
            Self::Categorical { .. } => Actions::Discrete(
                rows.map(|(logits, mask)| categorical::draw(logits, mask, rng))
                    .collect(),
            ),
            Self::MultiCategorical { choices } => Actions::MultiDiscrete(
                rows.flat_map(|(logits, mask)| multi_categorical::draw(logits, mask, choices, rng))
                    .collect(),
            ),
            Self::Gaussian { .. } => {
                let rows = rows.map(|(mean, _)| mean).zip(&of.heads[1]);
                Actions::Continuous(gaussian::draw(rows, rng))
            }
            Self::DiagonalGaussian { .. } => {
                Actions::Continuous(diagonal::draw(&of.heads[0], &of.heads[1], rng))
            }
        }
    }

    /// The likeliest action for each row.
    pub fn mode(&self, of: Statistics<'_>) -> Actions {
        let rows = self.rows(of);
        match self {
            Self::Categorical { .. } => Actions::Discrete(
                rows.map(|(logits, mask)| best(logits, mask) as i64)
                    .collect(),
            ),
            Self::MultiCategorical { choices } => Actions::MultiDiscrete(
                rows.flat_map(|(logits, mask)| multi_categorical::mode(logits, mask, choices))
                    .collect(),
            ),
            Self::Gaussian { .. } | Self::DiagonalGaussian { .. } => {
                Actions::Continuous(of.heads[0].clone())
            }
        }
    }

    /// How likely `actions` were, and how open the choice was, for each of `B` rows.
    ///
    /// # Panics
    /// If the actions are of another kind.
    pub fn likelihoods(&self, of: Statistics<'_>, actions: &Actions) -> Vec<Likelihood> {
        let rows = self.rows(of);
        match (self, actions) {
            (Self::Categorical { .. }, Actions::Discrete(actions)) => rows
                .zip(actions)
                .map(|((logits, mask), action)| categorical::likelihood(logits, mask, *action))
                .collect(),
            (Self::MultiCategorical { choices }, Actions::MultiDiscrete(actions)) => rows
                .zip(actions.chunks_exact(choices.len()))
                .map(|((logits, mask), row)| {
                    multi_categorical::likelihood(logits, mask, choices, row)
                })
                .collect(),
            (Self::Gaussian { dimensions }, Actions::Continuous(actions)) => rows
                .zip(&of.heads[1])
                .zip(actions.chunks_exact(*dimensions))
                .map(|(((mean, _), output), action)| gaussian::likelihood(mean, *output, action))
                .collect(),
            (Self::DiagonalGaussian { dimensions, .. }, Actions::Continuous(actions)) => rows
                .zip(of.heads[1].chunks_exact(*dimensions))
                .zip(actions.chunks_exact(*dimensions))
                .map(|(((mean, _), outputs), action)| diagonal::likelihood(mean, outputs, action))
                .collect(),
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }

    /// What a loss's gradient is at the heads' outputs, `[B, O]` each, from its derivatives with
    /// respect to each row's [likelihood](Self::likelihoods), which is `at`.
    ///
    /// # Panics
    /// If the actions are of another kind.
    pub fn gradients(
        &self,
        of: Statistics<'_>,
        actions: &Actions,
        at: &[Likelihood],
        derivatives: &[Likelihood],
    ) -> Vec<Vec<f32>> {
        let mut first = vec![0.0; of.heads[0].len()];
        let of_rows = first.chunks_exact_mut(self.width()).zip(derivatives);
        let rows = self.rows(of).zip(of_rows);
        match (self, actions) {
            (Self::Categorical { .. }, Actions::Discrete(actions)) => {
                let actions = actions.iter().zip(at);
                for (((logits, mask), (to, of)), (action, at)) in rows.zip(actions) {
                    categorical::gradient(logits, mask, *action, *at, *of, to);
                }
                vec![first]
            }
            (Self::MultiCategorical { choices }, Actions::MultiDiscrete(actions)) => {
                let actions = actions.chunks_exact(choices.len());
                for (((logits, mask), (to, of)), action) in rows.zip(actions) {
                    multi_categorical::gradient(logits, mask, choices, action, *of, to);
                }
                vec![first]
            }
            (Self::Gaussian { dimensions }, Actions::Continuous(actions)) => {
                let actions = actions.chunks_exact(*dimensions).zip(&of.heads[1]);
                let second = rows
                    .zip(actions)
                    .map(|(((mean, _), (to, of)), (action, output))| {
                        gaussian::gradient(mean, *output, action, *of, to)
                    })
                    .collect();
                vec![first, second]
            }
            (Self::DiagonalGaussian { dimensions, .. }, Actions::Continuous(actions)) => {
                let mut second = vec![0.0; of.heads[1].len()];
                let outputs = of.heads[1].chunks_exact(*dimensions);
                let actions = actions.chunks_exact(*dimensions).zip(outputs);
                let of_second = second.chunks_exact_mut(*dimensions);
                for (((mean, _), (to, of)), ((action, outputs), second)) in
                    rows.zip(actions.zip(of_second))
                {
                    diagonal::gradient((mean, outputs), action, *of, (to, second));
                }
                vec![first, second]
            }
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
