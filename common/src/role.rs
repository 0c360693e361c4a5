//! The roles of workers.

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It acts, and computes gradients of what it lived through.
    #[default]
    Bundled,
    /// It acts; others learn from its experience.
    Act,
    /// It computes gradients of the experience of others.
    Train,
    /// It acts whole episodes apart from training, and reports their scores.
    Evaluate,
}

impl Role {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Act => "act",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
        }
    }

    /// Whether it computes gradients.
    pub fn trains(self) -> bool {
        matches!(self, Self::Bundled | Self::Train)
    }
}
