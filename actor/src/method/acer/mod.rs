//! Actor-critic with experience replay (Wang et al. 2017), over `E` environments at once.
//!
//! A gradient on the segment that was just acted is followed by `n ~ Poisson(replay ratio)` on segments
//! that the worker remembers, with statistics μ of the policies that acted then. Ascends, per row,
//!
//! ```text
//! φ(s_t; θ)ᵀ z_t  +  β H(f(·|φ))
//! ```
//!
//! and descends `c_v (Qret_t − Q(s_t, a_t; θ))²`; with `z_t` the projection of
//!
//! ```text
//! g_t = min(c, ρ_t) ∇_φ log f(a_t|φ) (Q*_t − V(s_t))  +  E_{a~f}[[1 − c/ρ(a)]₊ ∇_φ log f(a|φ) (Q(s_t, a) − V(s_t))]
//! ```
//!
//! onto what the trust region around the average network allows, and `ρ(a) = f(a|φ)/f(a|μ)`. `Q*` is `Qret` for
//! discrete and `Qopc` for continuous actions. There `V` also descends
//! `c_v (min(1, ρ_t)(Qret_t − Q_t) + V_t − V(s_t; θ))²` (eq. 14). z, both targets and ρ are held constant.
//!
//! The entropy's gradient is not projected: eq. 12 is about `g` alone.

mod acer_behaviour;
mod ascent;
mod average;
mod continuous;
mod discrete;
mod objective;
mod poisson;
mod segment_memory;
mod taken_actions;
mod update;
mod variant;

pub use objective::Acer;
