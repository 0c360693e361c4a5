use crate::nn::distribution::Taken;

/// The actions of `B` rows, as a family of distributions takes them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TakenActions {
    /// Indices, `[B]`.
    Choices(Vec<usize>),
    /// Real numbers, `[B, D]`.
    Points {
        all: Vec<f64>,
        /// `D`
        dimensions: usize,
    },
}

impl TakenActions {
    /// The action of a row.
    pub(super) fn of(&self, row: usize) -> Taken<'_> {
        match self {
            Self::Choices(all) => Taken::Choice(all[row]),
            Self::Points { all, dimensions } => {
                Taken::Point(&all[row * dimensions..][..*dimensions])
            }
        }
    }
}
