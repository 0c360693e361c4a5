use serde::{Deserialize, Serialize};

/// How per-step losses of a segment become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Accumulated, as in Mnih et al. 2016.
    Sum,
    /// Averaged over time and environments, so that the step does not grow with the batch.
    #[default]
    Mean,
}

/// How a segment's errors reach the states that led to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Each state looks ahead to its return.
    #[default]
    Forward,
    /// Each error is handed back along an eligibility trace; the gradient is the same.
    Backward,
}

/// When `θ⁻ ← θ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSync {
    /// Each time the global frame count crosses a multiple of this.
    Frames(u64),
    /// Each time the version crosses a multiple of this.
    Updates(u64),
    /// Each time every worker has made so many updates on average: the version crosses a multiple of
    /// this × workers. The age of gradients, in updates, grows with workers in the same way.
    UpdatesPerWorker(u64),
}
