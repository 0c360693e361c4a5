//! Policies on the MDP M1 and their values, by sweeps: an oracle for what is learnt of one policy while another
//! acts. γ is 0.9.

use super::testing::m1;

/// Probabilities `[s][a]`.
pub(super) type Table = [[f64; 2]; 2];

/// One that acts.
pub(super) const MU: Table = [[0.8, 0.2], [0.5, 0.5]];

/// One that is learnt about, and takes other actions.
pub(super) const PI: Table = [[0.3, 0.7], [0.9, 0.1]];

/// One whose values are (7.25, 7.75).
pub(super) const UNIFORM: Table = [[0.5; 2]; 2];

/// The policy proportional to `min(ρ̄ μ, π)` (Espeholt et al. 2018, eq. 3).
pub(super) fn between(pi: Table, rho_limit: f64) -> Table {
    [0, 1].map(|s| {
        let least = [0, 1].map(|a| (rho_limit * MU[s][a]).min(pi[s][a]));
        least.map(|p| p / (least[0] + least[1]))
    })
}

/// `V` of a policy.
pub(super) fn values(policy: Table) -> [f64; 2] {
    let mut v = [0.0; 2];
    for _ in 0..1000 {
        v = [0, 1].map(|s| {
            let of_action = |a: usize| {
                let (next, r) = m1(s, a);
                policy[s][a] * (f64::from(r) + 0.9 * v[next])
            };
            of_action(0) + of_action(1)
        });
    }
    v
}
