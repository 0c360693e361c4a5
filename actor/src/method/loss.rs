use troop_common::experiment::Reduction;

use super::advice::Advice;
use crate::nn::OutputGradients;

/// A number to descend: its gradient at the network's outputs, and parts for people to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// What the gradient is of.
    pub total: f64,
    /// `d total/dy` at the outputs `y` of the online network's last forward pass.
    pub gradients: OutputGradients,
    /// Named parts, each a mean over the batch.
    pub terms: Vec<(&'static str, f64)>,
    /// TD errors of the batch's items, for whoever draws by them; empty if nobody does.
    pub td_errors: Vec<f32>,
    /// What becomes of it.
    pub advice: Advice,
}

impl Loss {
    /// A loss to learn from, of a batch without priorities.
    pub fn new(total: f64, gradients: OutputGradients, terms: Vec<(&'static str, f64)>) -> Self {
        Self {
            total,
            gradients,
            terms,
            td_errors: Vec::new(),
            advice: Advice::Learn,
        }
    }
}

/// What each of `rows` losses counts for in the whole.
pub(super) fn weight(reduction: Reduction, rows: usize) -> f64 {
    match reduction {
        Reduction::Sum => 1.0,
        Reduction::Mean => 1.0 / rows as f64,
    }
}

/// The mean of a term over the batch's rows.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let rows = values.len() as f64;
    values.sum::<f64>() / rows
}
