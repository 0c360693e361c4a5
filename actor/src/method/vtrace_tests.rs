use super::*;
use crate::method::m1_policies::{MU, PI, Table, UNIFORM, between, values};
use crate::method::random_steps::RandomSteps;
use crate::method::testing::m1;
use crate::method::{n_step_returns, one_step_returns};

const C: End = End::Continues;
const DISCOUNT: f32 = 0.9;

fn of(steps: &RandomSteps, rho_t: &[f64], c_t: &[f64]) -> VTrace {
    let RandomSteps {
        r_t,
        v_t,
        ends,
        open,
        ..
    } = steps;
    vtrace(r_t, v_t, rho_t, c_t, ends, open, DISCOUNT)
}

fn truncated(steps: &RandomSteps, limit: f64) -> Vec<f64> {
    let rho_t = steps.rho_t.iter();
    rho_t.map(|rho| f64::from(*rho).min(limit)).collect()
}

fn assert_near(found: &[f64], expected: &[f32], seed: u64) {
    for (found, expected) in found.iter().zip(expected) {
        let apart = (found - f64::from(*expected)).abs();
        assert!(apart < 1e-4, "seed {seed}: {found} for {expected}");
    }
}

/// r = (1, 0, 2), V = (1, 3, 2), γ = ½, ρ = (1, ½, 2), c = (1, ½, 1), bootstrap 4. By hand, backwards:
/// δ_2 = 2 (2 + ½·4 − 2) = 4 and v_2 = 2 + 4; δ_1 = ½ (0 + ½·2 − 3) = −1 and v_1 = 3 − 1 + ½·½·(6 − 2) = 3;
/// δ_0 = 1 + ½·3 − 1 = 1.5 and v_0 = 1 + 1.5 + ½·(3 − 3).
#[test]
fn the_worked_example() {
    let with = |ends: &[End], at_ends: [f32; 3]| {
        let open = OpenValues {
            bootstrap: vec![4.0],
            at_ends: at_ends.to_vec(),
        };
        let (r_t, v_t) = ([1.0, 0.0, 2.0], [1.0, 3.0, 2.0]);
        let (rho_t, c_t) = ([1.0, 0.5, 2.0], [1.0, 0.5, 1.0]);
        vtrace(&r_t, &v_t, &rho_t, &c_t, ends, &open, 0.5)
    };
    let is = |found: VTrace, targets: [f64; 3], advantages: [f64; 3]| {
        assert_eq!(found.targets, targets);
        assert_eq!(found.advantages, advantages);
    };
    is(with(&[C; 3], [0.0; 3]), [2.5, 3.0, 6.0], [1.5, 0.0, 2.0]);
    // Terminal after step 2: δ_2 = 2 (2 − 2), v_1 = 3 − 1 + ¼·(2 − 2), v_0 = 2.5 + ½·(2 − 3).
    for end in [End::Terminated, End::LifeLost] {
        let found = with(&[C, C, end], [0.0; 3]);
        is(found, [2.0, 2.0, 2.0], [1.0, -2.0, 0.0]);
    }
    // Truncated after step 1 with 6 behind it: δ_1 = ½ (0 + ½·6 − 3) = 0.
    let cut = with(&[C, End::Truncated, C], [0.0, 6.0, 0.0]);
    is(cut, [2.5, 3.0, 6.0], [1.5, 0.0, 2.0]);
}

/// Equation 1, slow and forward, for step `t` of environment `e`:
/// `V_t + Σ_{j≥t} γ^{j−t} (Π_{i=t..j−1} c_i) ρ_j (r_j + γ V_{j+1} − V_j)` to the episode's end.
fn definition(of: &RandomSteps, rho_t: &[f64], c_t: &[f64], t: usize, e: usize) -> f64 {
    let discount = f64::from(DISCOUNT);
    let at = |step: usize| step * of.environments + e;
    let mut sum = f64::from(of.v_t[at(t)]);
    for j in t..of.steps() {
        let traces: f64 = (t..j).map(|i| c_t[at(i)]).product();
        let (r, v) = (f64::from(of.r_t[at(j)]), f64::from(of.v_t[at(j)]));
        let delta = r + discount * f64::from(of.v_behind(at(j))) - v;
        sum += discount.powi((j - t) as i32) * traces * rho_t[at(j)] * delta;
        if of.ends[at(j)] != C {
            break;
        }
    }
    sum
}

#[test]
fn targets_and_advantages_are_the_definitions_with_ends_inside() {
    for seed in 0..300 {
        let steps = RandomSteps::new(seed);
        let rho_t = truncated(&steps, 1.5);
        let lambda = [1.0, 0.7][seed as usize % 2];
        let c_t: Vec<f64> = truncated(&steps, 1.0).iter().map(|c| lambda * c).collect();
        let fast = of(&steps, &rho_t, &c_t);
        let slow = |t, e| definition(&steps, &rho_t, &c_t, t, e);
        for i in 0..steps.r_t.len() {
            let (t, e) = (i / steps.environments, i % steps.environments);
            assert!((fast.targets[i] - slow(t, e)).abs() < 1e-9, "seed {seed}");
            let behind = match steps.ends[i] {
                C if t + 1 < steps.steps() => slow(t + 1, e),
                _ => f64::from(steps.v_behind(i)),
            };
            let (r, v) = (f64::from(steps.r_t[i]), f64::from(steps.v_t[i]));
            let advantage = r + f64::from(DISCOUNT) * behind - v;
            let apart = (fast.advantages[i] - advantage).abs();
            assert!(apart < 1e-9, "seed {seed}, step {i}");
        }
    }
}

#[test]
fn on_policy_targets_are_n_step_returns() {
    for seed in 0..200 {
        let steps = RandomSteps::new(seed);
        let ones = vec![1.0; steps.r_t.len()];
        let found = of(&steps, &ones, &ones);
        let returns = n_step_returns(&steps.r_t, &steps.ends, &steps.open, DISCOUNT);
        assert_near(&found.targets, &returns, seed);
        let advantages: Vec<f32> = returns.iter().zip(&steps.v_t).map(|(r, v)| r - v).collect();
        assert_near(&found.advantages, &advantages, seed);
    }
}

#[test]
fn traces_of_zero_are_one_step() {
    for seed in 0..200 {
        let RandomSteps {
            r_t,
            v_t,
            ends,
            open,
            ..
        } = &RandomSteps::new(seed);
        let (zeros, ones) = (vec![0.0; r_t.len()], vec![1.0; r_t.len()]);
        let found = vtrace(r_t, v_t, &ones, &zeros, ends, open, DISCOUNT);
        let returns = one_step_returns(r_t, v_t, ends, open, DISCOUNT);
        assert_near(&found.targets, &returns, seed);
    }
}

/// What lies behind the segment reaches its first target once, through all of the discounts and traces.
#[test]
fn the_bootstrap_value_counts_once() {
    let (rho_t, c_t) = ([1.0, 0.5, 0.8, 0.9], [1.0, 0.5, 0.8, 0.7]);
    let with = |bootstrap: f32, steps: usize| {
        let open = OpenValues {
            bootstrap: vec![bootstrap],
            at_ends: vec![0.0; steps],
        };
        let zeros = vec![0.0; steps];
        let (rho_t, c_t) = (&rho_t[..steps], &c_t[..steps]);
        vtrace(&zeros, &zeros, rho_t, c_t, &vec![C; steps], &open, 0.5).targets[0]
    };
    assert!((with(4.0, 1) - 0.5 * 4.0).abs() < 1e-12);
    // γ⁴ c_0 c_1 c_2 ρ_3 V(s_4)
    let expected = 0.5_f64.powi(4) * 0.5 * 0.8 * 0.9 * 4.0;
    assert!((with(4.0, 4) - expected).abs() < 1e-12);
}

/// What is behind an end changes nothing before it.
#[test]
fn nothing_leaks_across_an_end() {
    for seed in 0..200 {
        let steps = RandomSteps::new(seed);
        let rho_t = truncated(&steps, 1.0);
        let whole = of(&steps, &rho_t, &rho_t);
        for (i, end) in steps.ends.iter().enumerate() {
            if *end == C {
                continue;
            }
            let mut other = RandomSteps::new(seed);
            for behind in (i + other.environments..other.r_t.len()).step_by(other.environments) {
                other.r_t[behind] += 5.0;
                other.v_t[behind] -= 3.0;
            }
            other.open.bootstrap[i % steps.environments] += 7.0;
            let found = of(&other, &rho_t, &rho_t);
            for before in (i % steps.environments..=i).step_by(steps.environments) {
                assert_eq!(found.targets[before], whole.targets[before]);
                assert_eq!(found.advantages[before], whole.advantages[before]);
            }
        }
    }
}

/// `E_μ[v_0]` from a state: every sequence of actions as often as μ takes it.
fn expected_target(v: [f64; 2], pi: Table, limits: [f64; 3], state: usize) -> f64 {
    const STEPS: usize = 4;
    let [rho_limit, c_limit, lambda] = limits;
    let mut sum = 0.0;
    for sequence in 0..1 << STEPS {
        let (mut s, mut probability) = (state, 1.0);
        let (mut r_t, mut v_t, mut rho_t, mut c_t) = (vec![], vec![], vec![], vec![]);
        for t in 0..STEPS {
            let a = (sequence >> t) & 1;
            let (next, r) = m1(s, a);
            let ratio = pi[s][a] / MU[s][a];
            probability *= MU[s][a];
            r_t.push(r);
            v_t.push(v[s] as f32);
            rho_t.push(ratio.min(rho_limit));
            c_t.push(lambda * ratio.min(c_limit));
            s = next;
        }
        let open = OpenValues {
            bootstrap: vec![v[s] as f32],
            at_ends: vec![0.0; STEPS],
        };
        let found = vtrace(&r_t, &v_t, &rho_t, &c_t, &[C; STEPS], &open, DISCOUNT);
        sum += probability * found.targets[0];
    }
    sum
}

/// Theorem 1, without sampling: iterated, the expected targets become the values of `π_ρ̄`.
#[test]
fn its_fixed_point_are_the_values_of_the_policy_between() {
    let close = |found: [f64; 2], expected: [f64; 2], case: &str| {
        let apart = |s: usize| (found[s] - expected[s]).abs();
        assert!(
            apart(0) < 1e-4 && apart(1) < 1e-4,
            "{case}: {found:?} for {expected:?}"
        );
    };
    close(values(UNIFORM), [7.25, 7.75], "the oracle");
    for pi in [PI, UNIFORM, MU] {
        for limits in [
            [1.0, 1.0, 1.0],
            [1.0, 0.3, 1.0],
            [1.0, 0.0, 1.0],
            [1.0, 1.0, 0.6],
            [10.0, 1.0, 1.0],
            [0.4, 0.4, 1.0],
        ] {
            let mut v = [0.0; 2];
            for _ in 0..400 {
                v = [0, 1].map(|state| expected_target(v, pi, limits, state));
            }
            let case = format!("{pi:?}, {limits:?}");
            close(v, values(between(pi, limits[0])), &case);
        }
    }
    // ρ̄ matters: without truncation it is π's own values, else not.
    let (whole, held) = (values(between(PI, 10.0)), values(between(PI, 1.0)));
    close(whole, values(PI), "no truncation");
    assert!((whole[0] - held[0]).abs() > 0.1, "{whole:?} {held:?}");
}
