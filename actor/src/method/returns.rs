//! Returns and advantages of a segment, backwards in time.
//!
//! Arrays `[T, E]` are flattened, row-major. If an episode ends inside, nothing leaks across:
//! the value that follows step `t` is 0 after a terminal state, the value of the final observation
//! after a truncation, and else that of step `t + 1`.

use troop_common::experience::{End, OpenValues};

/// n-step returns, each the longest that the segment allows (Mnih et al. 2016, algorithms S2, S3):
/// `R_t = r_t + γ R_{t+1}`, with `R_T` the bootstrap value. `[T, E]`.
pub fn n_step_returns(r_t: &[f32], ends: &[End], open: &OpenValues, discount: f32) -> Vec<f32> {
    let environments = open.bootstrap.len();
    let mut returns = vec![0.0; r_t.len()];
    let mut r_next = open.bootstrap.clone();
    for i in (0..r_t.len()).rev() {
        let running = &mut r_next[i % environments];
        if ends[i] != End::Continues {
            *running = open.at_ends[i];
        }
        *running = r_t[i] + discount * *running;
        returns[i] = *running;
    }
    returns
}

/// One-step returns `r_t + γ V_{t+1}` with the values `v_t` `[T, E]` of the segment's states. `[T, E]`.
pub fn one_step_returns(
    r_t: &[f32],
    v_t: &[f32],
    ends: &[End],
    open: &OpenValues,
    discount: f32,
) -> Vec<f32> {
    let environments = open.bootstrap.len();
    let following = v_t[environments..].iter().chain(&open.bootstrap);
    let v_tp1 = following
        .zip(ends)
        .zip(&open.at_ends)
        .map(|((v, end), at_end)| if *end == End::Continues { v } else { at_end });
    r_t.iter()
        .zip(v_tp1)
        .map(|(r, v)| r + discount * v)
        .collect()
}

/// Returns of at most `n` steps (Sutton and Barto 2018, eq. 7.1), in double precision: `Σ_{k<m} γ^k r_{t+k} + γ^m V_{t+m}` with the
/// values `v_t` `[T, E]` of the segment's states, and with `m` less than `n` where the episode or the segment ends before. `[T, E]`.
pub(super) fn bounded_returns(
    r_t: &[f32],
    v_t: &[f32],
    ends: &[End],
    open: &OpenValues,
    discount: f32,
    n: usize,
) -> Vec<f64> {
    let (environments, discount) = (open.bootstrap.len(), f64::from(discount));
    let of_step = |first: usize| {
        let (mut sum, mut weight) = (0.0, 1.0);
        for i in (first..r_t.len()).step_by(environments).take(n) {
            sum += weight * f64::from(r_t[i]);
            weight *= discount;
            if ends[i] != End::Continues {
                return sum + weight * f64::from(open.at_ends[i]);
            }
        }
        let behind = first + n * environments;
        let v = v_t
            .get(behind)
            .unwrap_or(&open.bootstrap[first % environments]);
        // Fewer steps than n, if the segment ends before.
        sum + weight * f64::from(*v)
    };
    (0..r_t.len()).map(of_step).collect()
}

/// Generalised advantage estimates (Schulman et al. 2016, eq. 16):
/// `Â_t = δ_t + γλ Â_{t+1}`, `δ_t = r_t + γ V_{t+1} − V_t`. `v_t` is `[T, E]`, and so is the result.
/// With λ = 1 it is the n-step return less `V_t`, with λ = 0 the TD error.
pub fn advantages(
    r_t: &[f32],
    v_t: &[f32],
    ends: &[End],
    open: &OpenValues,
    discount: f32,
    lambda: f32,
) -> Vec<f32> {
    let environments = open.bootstrap.len();
    let mut advantages = vec![0.0; r_t.len()];
    let mut v_next = open.bootstrap.clone();
    let mut a_next = vec![0.0; environments];
    for i in (0..r_t.len()).rev() {
        let e = i % environments;
        if ends[i] != End::Continues {
            v_next[e] = open.at_ends[i];
            a_next[e] = 0.0;
        }
        let delta = r_t[i] + discount * v_next[e] - v_t[i];
        a_next[e] = delta + discount * lambda * a_next[e];
        v_next[e] = v_t[i];
        advantages[i] = a_next[e];
    }
    advantages
}

/// Shifts and scales them to mean 0 and standard deviation 1.
pub(super) fn normalize(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
    values
        .iter_mut()
        .for_each(|v| *v = (*v - mean) / (deviation + 1e-8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::random_steps::RandomSteps;

    const C: End = End::Continues;

    fn open(bootstrap: &[f32], at_ends: &[f32]) -> OpenValues {
        OpenValues {
            bootstrap: bootstrap.to_vec(),
            at_ends: at_ends.to_vec(),
        }
    }

    #[test]
    fn returns_of_the_worked_example() {
        let r_t = [1.0, 0.0, 2.0];
        let going_on = open(&[4.0], &[0.0; 3]);
        assert_eq!(
            n_step_returns(&r_t, &[C, C, C], &going_on, 0.5),
            [2.0, 2.0, 4.0]
        );
        assert_eq!(
            n_step_returns(&r_t, &[C, C, End::Terminated], &going_on, 0.5),
            [1.5, 1.0, 2.0]
        );
        let cut = open(&[9.0], &[0.0, 0.0, 4.0]);
        assert_eq!(
            n_step_returns(&r_t, &[C, C, End::Truncated], &cut, 0.5),
            [2.0, 2.0, 4.0]
        );
    }

    #[test]
    fn advantages_of_the_worked_example() {
        let (r_t, v_t, ends) = ([1.0, 0.0, 2.0], [1.0, 3.0, 2.0], [C, C, C]);
        let going_on = open(&[4.0], &[0.0; 3]);
        let with = |lambda| advantages(&r_t, &v_t, &ends, &going_on, 0.5, lambda);
        assert_eq!(with(1.0), [1.0, -1.0, 2.0]);
        assert_eq!(with(0.0), [1.5, -2.0, 2.0]);
    }

    /// `Σ_t ∇V_t A_t = Σ_t δ_t z_t` with `z_t = γ z_{t−1} + ∇V_t`, for any ∇V.
    #[test]
    fn the_forward_view_is_the_backward_view() {
        let (r_t, v_t, ends) = ([1.0, 0.0, 2.0], [1.0, 3.0, 2.0], [C, C, C]);
        let going_on = open(&[4.0], &[0.0; 3]);
        let gradients = [0.3_f32, -0.7, 1.1];
        let forward: f32 = advantages(&r_t, &v_t, &ends, &going_on, 0.5, 1.0)
            .iter()
            .zip(gradients)
            .map(|(a, g)| a * g)
            .sum();
        let deltas = advantages(&r_t, &v_t, &ends, &going_on, 0.5, 0.0);
        let (mut trace, mut backward) = (0.0, 0.0);
        for (delta, gradient) in deltas.iter().zip(gradients) {
            trace = 0.5 * trace + gradient;
            backward += delta * trace;
        }
        assert!((forward - backward).abs() < 1e-6);
    }

    /// Obviously right and slow: walks forward from every step to the end of its episode.
    fn slow_return(
        t: usize,
        e: usize,
        envs: usize,
        r: &[f32],
        ends: &[End],
        open: &OpenValues,
        discount: f32,
    ) -> f32 {
        let steps = r.len() / envs;
        let (mut sum, mut weight) = (0.0, 1.0);
        for k in t..steps {
            let i = k * envs + e;
            sum += weight * r[i];
            weight *= discount;
            match ends[i] {
                End::Terminated | End::LifeLost => return sum,
                End::Truncated => return sum + weight * open.at_ends[i],
                End::Continues => {}
            }
        }
        sum + weight * open.bootstrap[e]
    }

    #[test]
    fn ends_inside_a_batch_are_the_same_as_separate_episodes() {
        for seed in 0..200 {
            let RandomSteps {
                environments,
                r_t,
                ends,
                open,
                ..
            } = RandomSteps::new(seed);
            let fast = n_step_returns(&r_t, &ends, &open, 0.9);
            for (i, fast) in fast.iter().enumerate() {
                let slow = slow_return(
                    i / environments,
                    i % environments,
                    environments,
                    &r_t,
                    &ends,
                    &open,
                    0.9,
                );
                assert!(
                    (fast - slow).abs() < 1e-4,
                    "seed {seed}, step {i}: {fast} for {slow}"
                );
            }
        }
    }

    #[test]
    fn one_step_returns_are_the_td_errors_above_the_values() {
        let going_on = open(&[4.0], &[0.0; 3]);
        assert_eq!(
            one_step_returns(&[1.0, 0.0, 2.0], &[1.0, 3.0, 2.0], &[C; 3], &going_on, 0.5),
            [2.5, 1.0, 4.0]
        );
        for seed in 0..200 {
            let RandomSteps {
                r_t,
                v_t,
                ends,
                open,
                ..
            } = RandomSteps::new(seed);
            let fast = one_step_returns(&r_t, &v_t, &ends, &open, 0.9);
            let deltas = advantages(&r_t, &v_t, &ends, &open, 0.9, 0.0);
            for i in 0..fast.len() {
                assert!((fast[i] - v_t[i] - deltas[i]).abs() < 1e-4, "seed {seed}");
            }
        }
    }

    #[test]
    fn lambda_one_is_the_n_step_advantage() {
        for seed in 0..200 {
            let RandomSteps {
                r_t,
                v_t,
                ends,
                open,
                ..
            } = RandomSteps::new(seed);
            let returns = n_step_returns(&r_t, &ends, &open, 0.9);
            let fast = advantages(&r_t, &v_t, &ends, &open, 0.9, 1.0);
            for i in 0..fast.len() {
                assert!(
                    (fast[i] - (returns[i] - v_t[i])).abs() < 1e-4,
                    "seed {seed}, step {i}"
                );
            }
        }
    }
}
