//! Off-policy action values of a segment, backwards in time.
//!
//! Arrays `[T, E]` are flattened, row-major, and ends inside a segment count as in
//! [`returns`](super::returns): nothing leaks across them.

use troop_common::experience::{End, OpenValues};

/// Retrace targets (Munos et al. 2016; Wang et al. 2017, eq. 5), `[T, E]`:
///
/// ```text
/// Qret_t = r_t + γ (c_{t+1} (Qret_{t+1} − Q_{t+1}) + V_{t+1})
/// ```
///
/// where `Q_t = Q(s_t, a_t)` and the trace `c_t = min(1, ρ_t)` of the action taken, each `[T, E]`. Behind
/// an end the bracket is the open value there, 0 after a terminal state.
///
/// With `c_t = 1` it is `Qopc` (Wang et al. 2017, §5; Harutyunyan et al. 2016), with `c_t = 0` the one-step expected backup.
pub(super) fn retrace(
    r_t: &[f32],
    q_t: &[f32],
    v_t: &[f32],
    c_t: &[f32],
    ends: &[End],
    open: &OpenValues,
    discount: f32,
) -> Vec<f32> {
    let environments = open.bootstrap.len();
    let mut targets = vec![0.0; r_t.len()];
    let mut next = open.bootstrap.clone();
    for i in (0..r_t.len()).rev() {
        let next = &mut next[i % environments];
        if ends[i] != End::Continues {
            *next = open.at_ends[i];
        }
        targets[i] = r_t[i] + discount * *next;
        *next = c_t[i] * (targets[i] - q_t[i]) + v_t[i];
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::random_steps::RandomSteps;
    use crate::method::returns::n_step_returns;

    const C: End = End::Continues;

    fn open(bootstrap: &[f32], at_ends: &[f32]) -> OpenValues {
        OpenValues {
            bootstrap: bootstrap.to_vec(),
            at_ends: at_ends.to_vec(),
        }
    }

    /// r = (1, 0, 2), γ = 0.5, bootstrap 4. By hand, backwards:
    /// Qret_2 = 2 + 0.5·4 = 4; behind step 1: 0.5·(4 − 3) + 2 = 2.5; Qret_1 = 1.25;
    /// behind step 0: 1·(1.25 − 2) + 3 = 2.25; Qret_0 = 2.125.
    #[test]
    fn the_worked_example() {
        let (r_t, q_t, v_t, c_t) = (
            [1.0, 0.0, 2.0],
            [9.0, 2.0, 3.0],
            [9.0, 3.0, 2.0],
            [9.0, 1.0, 0.5],
        );
        let on = open(&[4.0], &[0.0; 3]);
        let with = |ends: &[End], open| retrace(&r_t, &q_t, &v_t, &c_t, ends, open, 0.5);
        assert_eq!(with(&[C, C, C], &on), [2.125, 1.25, 4.0]);
        // Terminal after step 2: Qret_2 = 2, behind step 1: 0.5·(2 − 3) + 2 = 1.5, and so on.
        assert_eq!(with(&[C, C, End::Terminated], &on), [1.875, 0.75, 2.0]);
        let cut = open(&[9.0], &[0.0, 0.0, 4.0]);
        assert_eq!(with(&[C, C, End::Truncated], &cut), [2.125, 1.25, 4.0]);
        // Truncated inside with 6 behind it: Qret_1 = 3, behind step 0: (3 − 2) + 3 = 4.
        let inside = open(&[4.0], &[0.0, 6.0, 0.0]);
        assert_eq!(with(&[C, End::Truncated, C], &inside), [3.0, 3.0, 4.0]);
    }

    /// The definition (Munos et al. 2016, eq. 3), slow and forward, for step `t` of environment `e`:
    /// `Q_t + Σ_{j≥t} γ^{j−t} (Π_{i=t+1..j} c_i) (r_j + γ V_{j+1} − Q_j)` to the episode's end.
    fn definition(t: usize, e: usize, of: &RandomSteps, c_t: &[f32], discount: f64) -> f64 {
        let at = |step: usize| step * of.environments + e;
        let mut sum = f64::from(of.q_t[at(t)]);
        let mut weight = 1.0;
        for j in t..of.steps() {
            if j > t {
                weight *= discount * f64::from(c_t[at(j)]);
            }
            let v_next = f64::from(of.v_behind(at(j)));
            let delta = f64::from(of.r_t[at(j)]) + discount * v_next - f64::from(of.q_t[at(j)]);
            sum += weight * delta;
            if of.ends[at(j)] != C {
                break;
            }
        }
        sum
    }

    fn assert_is_the_definition(seed: u64, of: &RandomSteps, c_t: &[f32]) {
        let RandomSteps {
            environments,
            r_t,
            q_t,
            v_t,
            ends,
            open,
            ..
        } = of;
        let fast = retrace(r_t, q_t, v_t, c_t, ends, open, 0.9);
        for (i, fast) in fast.iter().enumerate() {
            let slow = definition(i / environments, i % environments, of, c_t, 0.9);
            assert!(
                (f64::from(*fast) - slow).abs() < 1e-4,
                "seed {seed}, step {i}: {fast} for {slow}"
            );
        }
    }

    #[test]
    fn retrace_and_qopc_are_their_definitions_with_ends_inside() {
        let (mut clipped, mut whole) = (0, 0);
        for seed in 0..200 {
            let of = RandomSteps::new(seed);
            let c_t: Vec<f32> = of.rho_t.iter().map(|rho| rho.min(1.0)).collect();
            clipped += of.rho_t.iter().filter(|rho| **rho > 1.0).count();
            whole += of.rho_t.iter().filter(|rho| **rho < 1.0).count();
            assert_is_the_definition(seed, &of, &c_t);
            assert_is_the_definition(seed, &of, &vec![1.0; c_t.len()]);
        }
        assert!(clipped > 500 && whole > 500, "{clipped}, {whole}");
    }

    #[test]
    fn traces_of_zero_are_the_one_step_expected_backup() {
        for seed in 0..50 {
            let of = RandomSteps::new(seed);
            let zeros = vec![0.0; of.r_t.len()];
            let targets = retrace(&of.r_t, &of.q_t, &of.v_t, &zeros, &of.ends, &of.open, 0.9);
            for (i, target) in targets.iter().enumerate() {
                let next = of.v_behind(i);
                assert!((target - (of.r_t[i] + 0.9 * next)).abs() < 1e-5);
            }
        }
    }

    /// On-policy, where an action is worth what its state is, nothing is left but rewards.
    #[test]
    fn on_policy_without_advantages_it_is_the_n_step_return() {
        for seed in 0..50 {
            let of = RandomSteps::new(seed);
            let ones = vec![1.0; of.r_t.len()];
            let targets = retrace(&of.r_t, &of.v_t, &of.v_t, &ones, &of.ends, &of.open, 0.9);
            let returns = n_step_returns(&of.r_t, &of.ends, &of.open, 0.9);
            for (target, expected) in targets.iter().zip(returns) {
                assert!((target - expected).abs() < 1e-4, "{target} for {expected}");
            }
        }
    }
}
