use super::observation_buffer::ObservationBuffer;

/// `B` multi-step transitions: all that a value target needs. From `s_t` by `a_t` to a state some
/// steps later.
#[derive(Clone, Debug)]
pub struct Transitions {
    /// By which whoever gave them knows each of them again, `[B]`. Never used twice.
    pub keys: Vec<u64>,
    /// `s_t`, `[B, …]`, without masks.
    pub observations: ObservationBuffer,
    /// `a_t`, `[B]`.
    pub actions: Vec<i64>,
    /// `Σ_{k<m} γ^k r_{t+k}`, `[B]`.
    pub rewards: Vec<f32>,
    /// γ^m, the weight of the value behind each; 0 if the episode terminated. `[B]`.
    pub discounts: Vec<f32>,
    /// `s_{t+m}`, or the final observation of a truncated episode; if it terminated, `s_t` stands in
    /// for it. `[B, …]` with masks, if the environment gives them.
    pub next_observations: ObservationBuffer,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub weights: Vec<f32>,
}

impl Transitions {
    /// How many, `B`.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
