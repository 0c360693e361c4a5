use super::objective_error::ObjectiveError;
use crate::nn::Parameters;

/// The parameters that a loss is computed with.
#[derive(Clone, Copy, Debug)]
pub struct Networks<'a> {
    /// θ, which the loss is a function of.
    pub online: &'a Parameters,
    /// θ⁻, if the method's settings have a `target_sync`.
    pub target: Option<&'a Parameters>,
}

impl<'a> Networks<'a> {
    /// θ⁻.
    ///
    /// # Errors
    /// If there is none. It is never replaced by θ: that would learn, and something else.
    pub fn target(&self) -> Result<&'a Parameters, ObjectiveError> {
        self.target.ok_or(ObjectiveError::NoTarget)
    }
}
