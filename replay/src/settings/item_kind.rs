use serde::{Deserialize, Serialize};

/// What a table draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum ItemKind {
    /// From a state to another `n_step` steps later, or to the end of the episode. For discrete actions.
    Transitions {
        /// Steps, `n`.
        n_step: usize,
        /// Discount γ of a step.
        discount: f32,
    },
    /// Consecutive steps of one environment, across ends of episodes. Each step is in exactly one.
    Unrolls {
        /// Steps, `T`.
        env_steps: usize,
    },
    /// Consecutive steps of one episode, with the recurrent state before them. They begin every `env_steps − overlap`
    /// steps; the last one ends with the episode, and may be shorter.
    Sequences {
        /// Steps, `L`.
        env_steps: usize,
        /// Steps that two neighbours have in common, `O`.
        overlap: usize,
        /// The first steps of a sequence, which only warm the recurrent state up. At most the overlap: so each step is
        /// learnt from in some sequence.
        burn_in: usize,
    },
}

impl ItemKind {
    /// Steps of a whole item that count as drawn: 1 for a transition.
    pub(crate) fn env_steps(&self) -> usize {
        match self {
            Self::Transitions { .. } => 1,
            Self::Unrolls { env_steps } | Self::Sequences { env_steps, .. } => *env_steps,
        }
    }

    /// Steps of one environment that have to be there for an item to be complete.
    pub(crate) fn span(&self) -> usize {
        match self {
            Self::Transitions { n_step, .. } => *n_step + 1,
            Self::Unrolls { env_steps } | Self::Sequences { env_steps, .. } => *env_steps + 1,
        }
    }

    /// Items that `env_steps` more steps of one environment can complete, at most.
    pub(crate) fn most_complete(&self, env_steps: usize) -> usize {
        match self {
            Self::Transitions { n_step, .. } => env_steps + n_step,
            Self::Unrolls { env_steps: len } => env_steps.div_ceil(*len),
            Self::Sequences { .. } => env_steps,
        }
    }
}
