//! One step of an optimiser, as its caller describes it.

use std::ops::Range;

/// What the running mean of squared gradients is called that weighs compensation, as checkpoints write it.
pub(crate) const SQUARES: &str = "compensation_square_average";

/// How to apply a gradient.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The gradient is multiplied by it before anything else, e.g. to clip its norm.
    pub scale: f32,
    /// The learning rate η.
    pub rate: f32,
    /// Counts the run's steps from 1: Adam's t.
    pub number: u64,
    /// Corrects the gradient for parameters that have moved since it was computed.
    pub compensation: Option<Compensation<'a>>,
}

/// DC-ASGD (Zheng et al. 2017, arXiv 1609.08326): `Δ' = Δ + λ·Δ⊙Δ⊙(θ − θ_computed_on)`, with the
/// gradient `Δ` after its scaling.
#[derive(Clone, Copy, Debug)]
pub struct Compensation<'a> {
    /// λ, or λ₀ of the adaptive form; at 0 nothing is corrected.
    pub lambda: f32,
    /// β of the adaptive form, DC-ASGD-a (§5): `m ← βm + (1−β)Δ⊙Δ; λ = λ₀/√(m + ε)`. Its m stands
    /// behind the rule's state.
    pub decay: Option<f32>,
    /// The parameters that the gradient was computed on, of the parameters' length.
    pub computed_on: &'a [f32],
}

impl<'a> Step<'a> {
    /// The same step for the parameters in `range` alone.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self {
            compensation: self.compensation.map(|compensation| Compensation {
                computed_on: &compensation.computed_on[range],
                ..compensation
            }),
            ..*self
        }
    }
}
