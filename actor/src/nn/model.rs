use super::input::Input;
use super::network::Network;
use super::outputs::{OutputGradients, Outputs};

/// A network with parameters: what computes its outputs, and carries a loss's gradient from those to
/// the parameters.
pub trait Model: Send {
    /// The network.
    fn network(&self) -> &Network;

    /// The flat vector that was loaded last, zeros before.
    fn parameters(&self) -> &[f32];

    /// Copies a flat vector of the layout's length over the parameters.
    ///
    /// # Panics
    /// If it has another length.
    fn load(&mut self, parameters: &[f32]);

    /// A segment begins: what [`act`](Self::act) computes from now on may be kept for a
    /// [`forward`](Self::forward) of the same steps. Nothing is kept from before.
    fn begin_segment(&mut self);

    /// What the network makes of one step of a segment.
    ///
    /// # Panics
    /// If the input is not this network's.
    fn act(&mut self, input: &Input<'_>) -> &Outputs;

    /// What the network makes of anything, without a gradient. What was made by the last
    /// [`forward`](Self::forward) stays.
    ///
    /// # Panics
    /// If the input is not this network's.
    fn evaluate(&mut self, input: &Input<'_>) -> &Outputs;

    /// The same, with what a gradient needs; [`outputs`](Self::outputs) has them.
    ///
    /// # Panics
    /// If the input is not this network's.
    fn forward(&mut self, input: &Input<'_>);

    /// What the last [`forward`](Self::forward) gave.
    fn outputs(&self) -> &Outputs;

    /// One number for each of `M` actions in each of the last [`forward`](Self::forward)'s rows, `[N, M]`,
    /// from actions `[N, M, D]`.
    ///
    /// # Panics
    /// If the network has no head for actions, or they are not whole rows.
    fn judge(&mut self, actions: &[f32]) -> &[f32];

    /// Writes `dL/dθ` into `gradient`, which has the layout's length, from `dL/dy` at what the last
    /// [`forward`](Self::forward) and [`judge`](Self::judge) gave: 0 for parameters that these do not
    /// depend on.
    ///
    /// # Panics
    /// If there was no such pass with these parameters, or the shapes are not its.
    fn backward(&mut self, of: &OutputGradients, gradient: &mut [f32]);
}
