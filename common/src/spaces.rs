//! What an environment shows and what it accepts.

use serde::{Deserialize, Serialize};

/// How the elements of an observation are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementType {
    /// 32-bit floats, passed to the model as they are.
    F32,
    /// Bytes, 0 to 255: pixels. Models scale them to `[0, 1]`.
    U8,
}

/// One environment's observation: a dense array of one element type.
///
/// Discrete observations arrive here one-hot encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationSpace {
    /// Axes of one observation, without the batch axis: `[D]`, or `[C, H, W]` for pixels.
    pub shape: Vec<usize>,
    /// How each element is stored.
    pub element: ElementType,
}

impl ObservationSpace {
    /// Elements of one observation.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an observation has no elements at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one environment accepts at each step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ActionSpace {
    /// One of `n` choices, numbered from 0.
    Discrete {
        /// Number of choices, `A`.
        n: usize,
    },
    /// Several choices at once, each numbered from 0.
    MultiDiscrete {
        /// Number of choices of each, `[K]`.
        n: Vec<usize>,
    },
    /// A vector of real numbers.
    Box {
        /// Lowest value of each dimension (may be −∞).
        low: Vec<f32>,
        /// Highest value of each dimension (may be +∞).
        high: Vec<f32>,
    },
}

impl ActionSpace {
    /// Choices that a mask can rule out, `M`: all those of all components; 0 for real numbers.
    pub fn choices(&self) -> usize {
        match self {
            Self::Discrete { n } => *n,
            Self::MultiDiscrete { n } => n.iter().sum(),
            Self::Box { .. } => 0,
        }
    }
}

/// Both spaces of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spaces {
    /// What it shows.
    pub observation: ObservationSpace,
    /// What it accepts.
    pub action: ActionSpace,
}
