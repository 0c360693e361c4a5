/// What a network makes of `N` rows of observations. All arrays are row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// One `[N, O]` for each head.
    pub heads: Vec<Vec<f32>>,
    /// Recurrent state after the last step, zeros if it ended an episode, `[E, S]`.
    pub state: Vec<f32>,
    /// Recurrent state after each step that truncated an episode, in their order, `[F, S]`.
    pub cut_state: Vec<f32>,
}

impl Outputs {
    /// The state behind each of a segment's open observations, `[E + F, S]`.
    pub fn open_state(&self) -> Vec<f32> {
        [&self.state[..], &self.cut_state].concat()
    }
}

/// What a loss's gradient is at a network's outputs: `dL/dy` of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputGradients {
    /// One `[N, O]` for each head, of the shapes of [`Outputs::heads`].
    pub heads: Vec<Vec<f32>>,
    /// Of what [`Model::judge`](super::Model::judge) gave, `[N, M]`; empty if nothing was judged.
    pub judgements: Vec<f32>,
}
