use std::fmt::Debug;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::nn::Observed;
use crate::nn::distribution::Family;
use crate::nn::{Network, Parameters};
use troop_common::experience::Actions;

/// What a network makes of `B` states.
#[derive(Debug)]
pub(super) struct States {
    /// φ, statistics of the policy, `[B, K]`.
    pub(super) phi: Tensor,
    /// `V(s)`, `[B]`.
    pub(super) v: Tensor,
    /// What the critic needs to judge actions: `Q(s, ·)`, `[B, A]`, or features of the states, `[B, F]`.
    pub(super) critic: Tensor,
}

/// Samples of the policy `f(·|φ)` that an estimate needs.
#[derive(Debug)]
pub(super) struct Samples {
    /// `u_1 … u_n`, `[B, n, D]`: their advantages' mean is the policy's.
    pub(super) u: Tensor,
    /// `a'`, `[B, D]`: stands for all actions in the bias correction.
    pub(super) other: Tensor,
}

/// What a critic makes of actions.
#[derive(Debug)]
pub(super) struct Judgement {
    /// `Q(s_t, a_t)` of the actions taken, `[B]`.
    pub(super) q_t: Tensor,
    /// `Q(s_t, a)` of the actions in the bias correction, held constant: all, `[B, A]`, or `a'`, `[B]`.
    pub(super) q_other: Tensor,
}

/// What differs between discrete (Wang et al. 2017, §3, algorithm 2) and continuous actions (§5,
/// algorithm 3).
pub(super) trait Variant: Debug + Send + Sync {
    fn network(&self) -> &Arc<Network>;

    /// The family of its policies.
    fn family(&self) -> Family;

    /// Actions as the family takes them: `[B, 1]` or `[B, D]`, of φ's kind.
    fn actions(&self, actions: &Actions, phi: &Tensor) -> Tensor;

    /// Draws an action from each row's `f(·|φ)`.
    fn sample(&self, phi: &Tensor, rng: &mut ChaCha8Rng) -> Actions;

    /// The likeliest action of each row's `f(·|φ)`.
    fn mode(&self, phi: &Tensor) -> Actions;

    fn states(&self, parameters: &Parameters, observed: &Observed) -> States;

    /// What it has to draw from the policies of `B` states before it can judge; none where it is exact.
    fn draw(&self, phi: &Tensor, rng: &mut ChaCha8Rng) -> Option<Samples>;

    fn judge(
        &self,
        parameters: &Parameters,
        states: &States,
        actions: &Tensor,
        samples: Option<&Samples>,
    ) -> Judgement;

    /// The trace `c_t`, `[B]`, from importance weights.
    fn trace(&self, rho_t: &Tensor) -> Tensor;

    /// Whether the policy learns from `Qopc`, and `V` from a target of its own: else from `Qret`, and
    /// `V` is the mean of the action values.
    fn learns_state_values(&self) -> bool;

    /// The bias correction of truncating at `c`, `[B, K]`. `q_other` is [`Judgement::q_other`].
    fn correction(&self, of: &Truncation<'_>, samples: Option<&Samples>, c: f64) -> Tensor;
}

/// What a bias correction is made of, all held constant.
#[derive(Debug)]
pub(super) struct Truncation<'a> {
    /// φ, `[B, K]`.
    pub(super) phi: &'a Tensor,
    /// Statistics of the policy that acted, `[B, K]`.
    pub(super) mu: &'a Tensor,
    /// [`Judgement::q_other`].
    pub(super) q_other: &'a Tensor,
    /// `V(s_t)`, `[B]`.
    pub(super) v: &'a Tensor,
}
