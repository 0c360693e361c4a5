use super::objective_error::ObjectiveError;
use crate::nn::Model;

/// The networks that a loss is computed with.
pub struct Networks<'a> {
    /// With θ, which the loss is a function of.
    pub online: &'a mut dyn Model,
    /// With θ⁻, if the method's settings have a `target_sync`.
    pub target: Option<&'a mut dyn Model>,
}

impl<'a> Networks<'a> {
    /// Both.
    ///
    /// # Errors
    /// If there is no target. It is never replaced by θ: that would learn, and something else.
    pub fn with_target(self) -> Result<(&'a mut dyn Model, &'a mut dyn Model), ObjectiveError> {
        let target = self.target.ok_or(ObjectiveError::NoTarget)?;
        Ok((self.online, target))
    }
}
