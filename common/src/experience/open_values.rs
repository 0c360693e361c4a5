/// Values of what lies behind a segment's open ends.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenValues {
    /// Of `s_T`, `[E]`.
    pub bootstrap: Vec<f32>,
    /// Of the final observation where an episode was truncated, else 0. `[T, E]`.
    pub at_ends: Vec<f32>,
}
