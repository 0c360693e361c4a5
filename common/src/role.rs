//! The roles of workers.

use serde::Serialize;

use crate::proto::v1;

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bundled, Self::Act, Self::Train, Self::Evaluate];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Act => "act",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
        }
    }

    /// The other half, without which this one's work leads nowhere; none if it needs nobody.
    pub fn other_half(self) -> Option<Self> {
        match self {
            Self::Bundled | Self::Evaluate => None,
            Self::Act => Some(Self::Train),
            Self::Train => Some(Self::Act),
        }
    }

    /// Whether it computes gradients.
    pub fn trains(self) -> bool {
        matches!(self, Self::Bundled | Self::Train)
    }
}

impl Role {
    /// What the contract says of a role; none if it leaves that to the experiment.
    pub fn of_contract(role: v1::Role) -> Option<Self> {
        match role {
            v1::Role::Unspecified => None,
            v1::Role::Bundled => Some(Self::Bundled),
            v1::Role::Act => Some(Self::Act),
            v1::Role::Train => Some(Self::Train),
            v1::Role::Evaluate => Some(Self::Evaluate),
        }
    }
}

impl From<Role> for v1::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Bundled => Self::Bundled,
            Role::Act => Self::Act,
            Role::Train => Self::Train,
            Role::Evaluate => Self::Evaluate,
        }
    }
}

/// Somebody wants to work in a way that an experiment has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefused {
    /// Its workers have roles, and none was named.
    #[error(
        "the experiment's workers either act or train (`topology.trainers` is {0}): start the actor with --role act or \
         with --role train"
    )]
    Split(usize),
    /// Its workers have no roles, and one was named.
    #[error(
        "--role {} leads nowhere: the experiment's workers act and train alike. Start the actor without it, or the \
         learner with --set topology.trainers=N, N ≥ 1", .0.name()
    )]
    Bundled(Role),
    /// It evaluates, and no evaluations were asked for.
    #[error(
        "--role evaluate leads nowhere: `experiment.evaluate.every_env_steps` is 0. Start the learner with --set \
         experiment.evaluate.every_env_steps=N"
    )]
    NotEvaluated,
}
