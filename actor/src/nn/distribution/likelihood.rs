use tch::Tensor;

/// Log-probabilities of taken actions and entropies, each `[B]`.
#[derive(Debug)]
pub struct Likelihood {
    /// `log π(a_i|s_i)`
    pub log_probability: Tensor,
    /// `H(π(s_i))`, the differential entropy for continuous actions.
    pub entropy: Tensor,
}
