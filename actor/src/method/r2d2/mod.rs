//! Recurrent replay distributed DQN (Kapturowski et al. 2019): Q-learning on sequences that are drawn by priority.
//!
//! A sequence begins with the recurrent state that its actor had there, which is old. So its first steps, the burn-in, only
//! unroll the networks, each with weights of its own and without a gradient; the rest is learnt from (§3). Per step of it descends
//! `w ½ (y_t − Q(s_t, a_t; θ))²`, averaged over all of them, with
//!
//! ```text
//! y_t = h(Σ_{k<m} γ^k r_{t+k} + γ^m h⁻¹(Q(s_{t+m}, argmax_a Q(s_{t+m}, a; θ); θ⁻)))
//! h(x) = sign(x)(√(|x| + 1) − 1) + εx
//! ```
//!
//! held constant (§2.3). `m` is n, and fewer where the sequence ends earlier: nothing follows a terminal state; what was cut short,
//! and what the sequence does not show any more, has the value of the observation behind it. `w = (N·P)^−β / max w`.
//!
//! A sequence's priority is `0.9 max|δ_t| + 0.1 mean|δ_t|` of its steps. New ones have the largest that there was; in the paper
//! their actors work it out.

mod objective;
mod rescaling;
mod sequences;
#[cfg(test)]
mod world;

pub use objective::R2d2;
