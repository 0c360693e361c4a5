/// How a [`TransitionReplay`](crate::TransitionReplay) is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransitionShape {
    /// Frames of the observations that are kept: one an env step, see [`ObservationStore`](crate::ObservationStore).
    pub capacity: usize,
    /// Frames that an observation stacks.
    pub stack: usize,
    /// Environments that fill it, `E`.
    pub environments: usize,
    /// Steps of a transition, `n`.
    pub n_step: usize,
    /// Discount γ of a step.
    pub discount: f32,
    /// ω of prioritised sampling; 0 samples uniformly.
    pub priority_exponent: f64,
    /// Added to each absolute TD error before the exponent is taken.
    pub priority_epsilon: f64,
}
