//! V-trace: values of a policy from what another one lived through (Espeholt et al. 2018, §4.1).
//!
//! Arrays `[T, E]` are flattened, row-major, and ends inside a segment count as in
//! [`returns`](super::returns): nothing leaks across them.

use troop_common::experience::{End, OpenValues};

/// What V-trace makes of a segment, each `[T, E]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VTrace {
    /// `v_t`, what `V(s_t)` descends to (eq. 1).
    pub(super) targets: Vec<f64>,
    /// `r_t + γ v_{t+1} − V_t`, what the action was worth more than its state (§4.2).
    pub(super) advantages: Vec<f64>,
}

/// V-trace by the recursion of remark 1:
///
/// ```text
/// v_t = V_t + δ_t + γ c_t (v_{t+1} − V_{t+1})
/// δ_t = ρ_t (r_t + γ V_{t+1} − V_t)
/// ```
///
/// with the truncated importance weights `ρ_t` and traces `c_t`, each `[T, E]`. At the segment's end both `v_{t+1}` and
/// `V_{t+1}` are the bootstrap value, behind an end the open value there, 0 after a terminal state.
///
/// On-policy, with `ρ_t = c_t = 1`, the targets are n-step returns.
pub(super) fn vtrace(
    r_t: &[f32],
    v_t: &[f32],
    rho_t: &[f64],
    c_t: &[f64],
    ends: &[End],
    open: &OpenValues,
    discount: f32,
) -> VTrace {
    let (environments, discount) = (open.bootstrap.len(), f64::from(discount));
    let mut targets = vec![0.0; r_t.len()];
    let mut advantages = vec![0.0; r_t.len()];
    let mut next: Vec<Behind> = open.bootstrap.iter().map(|v| Behind::open(*v)).collect();
    for i in (0..r_t.len()).rev() {
        let next = &mut next[i % environments];
        if ends[i] != End::Continues {
            *next = Behind::open(open.at_ends[i]);
        }
        let (r, v) = (f64::from(r_t[i]), f64::from(v_t[i]));
        let delta = rho_t[i] * (r + discount * next.value - v);
        advantages[i] = r + discount * next.target - v;
        next.target = v + delta + discount * c_t[i] * (next.target - next.value);
        next.value = v;
        targets[i] = next.target;
    }
    VTrace {
        targets,
        advantages,
    }
}

/// What lies behind a step.
struct Behind {
    /// `v_{t+1}`
    target: f64,
    /// `V_{t+1}`
    value: f64,
}

impl Behind {
    /// Where no step follows, the target is the value itself: it counts once.
    fn open(value: f32) -> Self {
        let value = f64::from(value);
        Self {
            target: value,
            value,
        }
    }
}

#[cfg(test)]
#[path = "vtrace_tests.rs"]
mod tests;
