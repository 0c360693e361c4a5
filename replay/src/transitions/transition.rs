use crate::store::ObservationId;

/// From a state to another some steps later: all that a value target needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// `s_t`.
    pub observation: ObservationId,
    /// `a_t`.
    pub action: i64,
    /// `Σ_{k<m} γ^k r_{t+k}`.
    pub reward: f32,
    /// γ^m, the weight of the value behind it; 0 where the episode terminated.
    pub discount: f32,
    /// `s_{t+m}`, or the final observation of a truncated episode; absent where the episode
    /// terminated.
    pub next: Option<ObservationId>,
}
