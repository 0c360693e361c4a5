/// An update, as it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// Gradients that made it.
    pub(crate) gradients: u64,
    /// Their staleness, in updates.
    pub(crate) staleness: u64,
    /// Global norm of the applied gradient, before clipping.
    pub(crate) norm: f64,
}
