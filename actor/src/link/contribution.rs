use troop_common::proto::v1::Report;

/// A gradient and what happened while its segment was acted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// The learner's life that the weights came from.
    pub epoch: u64,
    /// Version of the weights that the gradient was computed on.
    pub version: u64,
    /// `dL/dθ` in the layout's order.
    pub gradient: Vec<f32>,
    /// Env steps, episodes and losses since the last contribution.
    pub report: Report,
}
