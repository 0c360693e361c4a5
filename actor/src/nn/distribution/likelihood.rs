/// How likely an action was, and how open the choice; or a loss's derivatives with respect to both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// `log π(a|s)`
    pub log_probability: f64,
    /// `H(π(s))`, the differential entropy for continuous actions.
    pub entropy: f64,
}
