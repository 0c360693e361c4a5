use tch::Tensor;

/// What a network makes of a segment, or of one step.
#[derive(Debug)]
pub struct Outputs {
    /// One `[T·E, O]` for each head.
    pub heads: Vec<Tensor>,
    /// What the heads that judge stand on, `[T·E, F]`.
    pub judging_features: Tensor,
    /// Recurrent state after the last step, `[E, S]`.
    pub state: Tensor,
    /// Recurrent state after each step that truncated an episode, in their order, `[F, S]`.
    pub cut_state: Tensor,
}

impl Outputs {
    /// The state behind each of a segment's open observations, `[E + F, S]`.
    pub fn open_state(&self) -> Tensor {
        Tensor::cat(&[&self.state, &self.cut_state], 0)
    }
}
