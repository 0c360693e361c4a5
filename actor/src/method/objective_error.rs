/// Why there is no loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// There is no target network.
    #[error("the method learns from a target network, but its settings have no `target_sync`")]
    NoTarget,
    /// It learns from something else.
    #[error("the method learns from {expected}, not from {found}")]
    OtherExperience {
        /// What it learns from.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
}
