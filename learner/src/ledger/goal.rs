use troop_common::experiment::{RunSettings, SolvedBy};
use troop_common::finite::Finite;

/// When a task counts as solved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Goal {
    mean_return: Option<f64>,
    by: SolvedBy,
}

impl Goal {
    /// That of a run.
    pub(crate) fn of(run: &RunSettings) -> Self {
        Self {
            mean_return: run.solve_return,
            by: run.solved_by,
        }
    }

    /// Whether `mean`, which is one of `these` returns, reaches it.
    pub(crate) fn is_reached(self, these: SolvedBy, mean: Finite) -> bool {
        self.by == these && self.mean_return.is_some_and(|needed| mean.get() >= needed)
    }

    /// Of training.
    #[cfg(test)]
    pub(crate) fn training(mean_return: f64) -> Self {
        Self {
            mean_return: Some(mean_return),
            by: SolvedBy::Training,
        }
    }
}
