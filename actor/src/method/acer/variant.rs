use std::fmt::Debug;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Actions;

use super::taken_actions::TakenActions;
use crate::nn::distribution::{BoundsPenalty, Family};
use crate::nn::{Model, Network, OutputGradients, Outputs};

/// What a network makes of `B` states.
#[derive(Clone, Debug)]
pub(super) struct States {
    /// φ, statistics of the policy, `[B, K]`.
    pub(super) phi: Vec<f64>,
    /// `V(s)`, `[B]`.
    pub(super) v: Vec<f64>,
}

/// Samples of the policy `f(·|φ)` that an estimate needs.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    /// `u_1 … u_n`, `[B, n, D]`: their advantages' mean is the policy's.
    pub(super) u: Vec<f64>,
    /// `a'`, `[B, D]`: stands for all actions in the bias correction.
    pub(super) other: Vec<f64>,
}

/// What a critic makes of actions.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// `Q(s_t, a_t)` of the actions taken, `[B]`.
    pub(super) q_t: Vec<f64>,
    /// `Q(s_t, a)` of the actions in the bias correction, held constant: all, `[B, A]`, or `a'`, `[B]`.
    pub(super) q_other: Vec<f64>,
}

/// A loss's derivatives with respect to what a network makes of `B` states.
#[derive(Debug, Default)]
pub(super) struct Derivatives {
    /// `dL/dφ`, `[B, K]`.
    pub(super) phi: Vec<f64>,
    /// `dL/dQ(s_t, a_t)`, `[B]`.
    pub(super) q_t: Vec<f64>,
    /// `dL/dV(s_t)`, `[B]`; empty if `V` is not learnt by itself.
    pub(super) v: Vec<f64>,
}

impl Derivatives {
    pub(super) fn scale(&mut self, by: f64) {
        let Self { phi, q_t, v } = self;
        for value in phi.iter_mut().chain(q_t).chain(v) {
            *value *= by;
        }
    }
}

/// What differs between discrete (Wang et al. 2017, §3, algorithm 2) and continuous actions (§5,
/// algorithm 3).
pub(super) trait Variant: Debug + Send + Sync {
    fn network(&self) -> &Arc<Network>;

    /// The family of its policies.
    fn family(&self) -> Family;

    /// What means beyond the bounds of actions cost, if they do.
    fn bounds_penalty(&self) -> Option<&BoundsPenalty> {
        None
    }

    /// Numbers of a policy's statistics, `K`.
    fn statistics(&self) -> usize;

    /// Actions as the family takes them.
    ///
    /// # Panics
    /// If they are of another kind.
    fn actions(&self, actions: &Actions) -> TakenActions;

    /// Draws an action from each row's `f(·|φ)`.
    fn sample(&self, phi: &[f64], rng: &mut ChaCha8Rng) -> Actions;

    /// The likeliest action of each row's `f(·|φ)`.
    fn mode(&self, phi: &[f64]) -> Actions;

    /// Of what the network made of `B` states, with masks `[B, A]` or none.
    fn states(&self, outputs: &Outputs, masks: &[bool]) -> States;

    /// What it has to draw from the policies of `B` states before it can judge; none if it is exact.
    fn draw(&self, phi: &[f64], rng: &mut ChaCha8Rng) -> Option<Samples>;

    /// Judges actions in the states of the network's last forward pass.
    fn judge(
        &self,
        online: &mut dyn Model,
        states: &States,
        actions: &TakenActions,
        samples: Option<&Samples>,
    ) -> Judgement;

    /// The trace `c_t` from an importance weight.
    fn trace(&self, rho_t: f64) -> f64;

    /// Whether the policy learns from `Qopc`, and `V` from a target of its own: else from `Qret`, and
    /// `V` is the mean of the action values.
    fn learns_state_values(&self) -> bool;

    /// Writes the bias correction of truncating at `c` in one row, `[K]`.
    fn correction(&self, of: &Truncation<'_>, c: f64, correction: &mut [f64]);

    /// What a loss's gradient is at the network's outputs.
    fn gradients(
        &self,
        states: &States,
        actions: &TakenActions,
        of: &Derivatives,
    ) -> OutputGradients;
}

/// What a row's bias correction is made of, all held constant.
#[derive(Debug)]
pub(super) struct Truncation<'a> {
    /// φ, `[K]`.
    pub(super) phi: &'a [f64],
    /// Statistics of the policy that acted, `[K]`.
    pub(super) mu: &'a [f64],
    /// The row of [`Judgement::q_other`].
    pub(super) q_other: &'a [f64],
    /// The row of [`Samples::other`], empty without samples.
    pub(super) other: &'a [f64],
    /// `V(s_t)`.
    pub(super) v: f64,
}
