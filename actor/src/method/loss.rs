use tch::{Kind, TchError, Tensor};
use troop_common::experiment::Reduction;

use crate::nn::Parameters;

/// A scalar to descend, and its parts for people to look at.
#[derive(Debug)]
pub struct Loss {
    /// What the gradient is of, scalar.
    pub total: Tensor,
    /// Named parts, each a scalar mean over the batch.
    pub terms: Vec<(&'static str, Tensor)>,
    /// TD errors of the batch's items, for whoever draws by them; empty if nobody does.
    pub td_errors: Vec<f32>,
    /// Whether the method would rather not learn from it: nothing is sent then.
    pub is_withheld: bool,
}

impl Loss {
    /// A loss to learn from, of a batch without priorities.
    pub fn new(total: Tensor, terms: Vec<(&'static str, Tensor)>) -> Self {
        Self {
            total,
            terms,
            td_errors: Vec::new(),
            is_withheld: false,
        }
    }

    /// Writes `dL/dθ` into `gradient`, which has the layout's length.
    ///
    /// # Errors
    /// If it was not computed from these parameters.
    pub fn gradient(&self, online: &Parameters, gradient: &mut [f32]) -> Result<(), TchError> {
        online.gradient(&self.total, gradient)
    }
}

/// Per-row losses `[B]` as one.
pub(super) fn reduce(losses: &Tensor, reduction: Reduction) -> Tensor {
    match reduction {
        Reduction::Sum => losses.sum(None::<Kind>),
        Reduction::Mean => losses.mean(None::<Kind>),
    }
}

/// Numbers from the returns as a constant of the loss, `[B]`.
pub(super) fn constant(values: &[f32], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(kind)
}
