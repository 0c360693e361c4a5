//! Proximal policy optimisation (Schulman et al. 2017), over `E` environments at once.
//!
//! A segment is gone through several times, in minibatches that each make one gradient, at the newest weights. With
//! `r_t = π(a_t|s_t; θ)/π_prox(a_t|s_t)` each descends, per row (eq. 7 and 9),
//!
//! ```text
//! −w_t min(r_t Â_t, clip(r_t, 1 − ε, 1 + ε) Â_t)  +  c_v ½ (R_t − V(s_t; θ))²  −  β H(π(s_t; θ))
//! ```
//!
//! `π_prox` is the policy of the newest weights when the first minibatch is computed, `π_behav` the one that acted. They are the
//! same if nobody else's update came in between, as with one worker, or with workers that wait for each other. Else
//! `w_t = min(c, π_prox(a_t|s_t)/π_behav(a_t|s_t))` makes up for it (Hilton et al. 2021, eq. 2): how much a step counts depends on
//! who acted, how far the policy may move on where it stands.
//!
//! Advantages `Â_t` are generalised ones (Schulman et al. 2016) of `V` at the same weights as `π_prox`, and `R_t = Â_t + V(s_t)`.
//! All three, `w_t` and `π_prox` are held constant while the segment is gone through.
//!
//! **Workers that share a replay** (APPO: Petrenko et al. 2020, arXiv 2006.11751, §3.4; Luo et al. 2020, IMPACT, without its target
//! network): trainers draw each unroll once, in the order in which they came, for one gradient. Then `π_prox` is the policy that
//! acted, μ, `w_t` is 1, and V-trace with `ρ̄ = c̄ = 1` and traces of `λ` gives advantages `r_t + γ v_{t+1} − V(s_t)` and `R_t = v_t` of the
//! policy of now: see [`vtrace`](super::vtrace).
//!
//! If a minibatch finds `KL[π_prox ‖ π]` above its limit the worker leaves the rest of the segment alone and acts on. Nobody is
//! promised a number of gradients: a round of synchronous workers has one of each, of whatever epoch.

mod epochs;
mod minibatch;
mod objective;
mod surrogate;
mod targets;

pub use objective::Ppo;
