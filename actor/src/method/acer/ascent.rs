//! The policy's gradient in terms of φ, importance weights truncated and the bias of that corrected
//! (Wang et al. 2017, eq. 7 and 9), in one row.

use crate::nn::distribution::{Family, Taken};

/// Writes `min(c, ρ_t) ∇_φ log f(a_t|φ) Â_t`, `[K]`, for the weight and the advantage of the action taken.
pub(super) fn truncated(
    family: Family,
    phi: &[f64],
    action: Taken<'_>,
    weighted_advantage: f64,
    ascent: &mut [f64],
) {
    family.score(phi, action, ascent);
    ascent
        .iter_mut()
        .for_each(|value| *value *= weighted_advantage);
}

/// `min(c, ρ)`; ρ without a limit.
pub(super) fn truncate(rho: f64, limit: Option<f64>) -> f64 {
    limit.map_or(rho, |c| rho.min(c))
}

/// Writes `Σ_a [1 − c/ρ(a)]₊ f(a|φ) ∇_φ log f(a|φ) (Q(s, a) − V(s))`, `[A]`, for probabilities `φ` and `μ` and all
/// actions' values, each `[A]`. `f(a) ∇_φ log f(a)` is 1 at `a` and 0 elsewhere.
pub(super) fn expected_correction(
    (phi, mu): (&[f64], &[f64]),
    (q, v): (&[f64], f64),
    c: f64,
    correction: &mut [f64],
) {
    for (((to, phi), mu), q) in correction.iter_mut().zip(phi).zip(mu).zip(q) {
        // An action that is not open has both probabilities 0, and no gradient either way.
        *to = match *phi > 0.0 {
            true => excess(phi / mu, c) * (q - v),
            false => 0.0,
        };
    }
}

/// Writes `[1 − c/ρ(a')]₊ ∇_φ log f(a'|φ) (Q(s, a') − V(s))`, `[K]`, for an action `a'` drawn from `f(·|φ)` and its
/// advantage.
pub(super) fn sampled_correction(
    family: Family,
    (phi, mu): (&[f64], &[f64]),
    drawn: Taken<'_>,
    advantage: f64,
    c: f64,
    correction: &mut [f64],
) {
    let scale = excess(importance(family, phi, mu, drawn), c) * advantage;
    family.score(phi, drawn, correction);
    correction.iter_mut().for_each(|value| *value *= scale);
}

/// `ρ(a) = f(a|φ)/f(a|μ)`.
pub(super) fn importance(family: Family, phi: &[f64], mu: &[f64], action: Taken<'_>) -> f64 {
    (family.log_probability(phi, action) - family.log_probability(mu, action)).exp()
}

/// `[1 − c/ρ]₊`: what truncation at c takes away, as a share.
fn excess(rho: f64, c: f64) -> f64 {
    (1.0 - c / rho).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use crate::nn::distribution::softmax;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;

    const FAMILY: Family = Family::Categorical;
    const LIMITS: [f64; 5] = [0.3, 0.9, 1.0, 2.5, 1e9];

    fn assert_close(found: &[f64], expected: &[f64]) {
        for (one, expected) in found.iter().zip(expected) {
            assert!(
                (one - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                "{found:?}, {expected}"
            );
        }
    }

    fn direct(
        phi: &[f64],
        action: usize,
        rho: f64,
        advantage: f64,
        limit: Option<f64>,
    ) -> Vec<f64> {
        let mut ascent = vec![0.0; phi.len()];
        let weighted = truncate(rho, limit) * advantage;
        truncated(FAMILY, phi, Taken::Choice(action), weighted, &mut ascent);
        ascent
    }

    fn expected(phi: &[f64], mu: &[f64], advantages: &[f64], c: f64) -> Vec<f64> {
        let mut correction = vec![0.0; phi.len()];
        expected_correction((phi, mu), (advantages, 0.0), c, &mut correction);
        correction
    }

    fn rho(phi: &[f64], mu: &[f64], action: usize) -> f64 {
        importance(FAMILY, phi, mu, Taken::Choice(action))
    }

    /// π = (0.8, 0.2), μ = (0.2, 0.8), so ρ = (4, ¼). a = 0, Â = 3, c = 2: 2·3/0.8 = 7.5.
    /// Correction: (1 − 2/4)·5 = 2.5 for the first action, nothing for the second.
    #[test]
    fn by_hand() {
        let (phi, mu) = ([0.8, 0.2], [0.2, 0.8]);
        let rhos = [rho(&phi, &mu, 0), rho(&phi, &mu, 1)];
        assert_close(&rhos, &[4.0, 0.25]);
        let with = |limit| direct(&phi, 0, rhos[0], 3.0, limit);
        assert_close(&with(Some(2.0)), &[7.5, 0.0]);
        assert_close(&with(Some(4.0)), &[15.0, 0.0]);
        assert_close(&with(None), &[15.0, 0.0]);
        let correction = |c| expected(&phi, &mu, &[5.0, 7.0], c);
        assert_close(&correction(2.0), &[2.5, 0.0]);
        assert_close(&correction(0.1), &[0.975 * 5.0, 0.6 * 7.0]);
        assert_close(&correction(4.0), &[0.0, 0.0]);
    }

    struct Case {
        phi: Vec<f64>,
        mu: Vec<f64>,
        advantages: Vec<f64>,
    }

    fn case(rng: &mut ChaCha8Rng) -> Case {
        let mut probabilities = || {
            let logits: Vec<f32> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
            let mut probabilities = vec![0.0; 4];
            softmax(&logits, None, &mut probabilities);
            probabilities
        };
        let (phi, mu) = (probabilities(), probabilities());
        let advantages = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
        Case {
            phi,
            mu,
            advantages,
        }
    }

    /// Truncated and corrected it is still the policy gradient: for every c
    /// `E_{a~μ}[min(c, ρ) ∇log f Â] + E_{a~π}[[1 − c/ρ]₊ ∇log f Â] = E_{a~π}[∇log f Â]`.
    #[test]
    fn the_correction_takes_the_bias_of_truncation_away() {
        let mut rng = seeded(5);
        for _ in 0..50 {
            let Case {
                phi,
                mu,
                advantages,
            } = case(&mut rng);
            for c in LIMITS {
                let mut sum = expected(&phi, &mu, &advantages, c);
                for (action, advantage) in advantages.iter().enumerate() {
                    let rho = rho(&phi, &mu, action);
                    let g = direct(&phi, action, rho, *advantage, Some(c));
                    sum.iter_mut()
                        .zip(g)
                        .for_each(|(sum, g)| *sum += mu[action] * g);
                }
                // f(a) ∇_φ log f(a) = 1 at a.
                assert_close(&sum, &advantages);
            }
        }
    }

    /// The exact correction is the mean of the sampled one, which is a slow sum over actions here.
    #[test]
    fn both_corrections_have_one_expectation() {
        let mut rng = seeded(6);
        let (mut cut, mut whole) = (0, 0);
        for _ in 0..50 {
            let Case {
                phi,
                mu,
                advantages,
            } = case(&mut rng);
            for c in LIMITS {
                let mut sum = vec![0.0; 4];
                for (action, advantage) in advantages.iter().enumerate() {
                    let (drawn, mut one) = (Taken::Choice(action), vec![0.0; 4]);
                    sampled_correction(FAMILY, (&phi, &mu), drawn, *advantage, c, &mut one);
                    if one.iter().all(|value| *value == 0.0) {
                        whole += 1;
                    } else {
                        cut += 1;
                    }
                    sum.iter_mut()
                        .zip(one)
                        .for_each(|(sum, one)| *sum += phi[action] * one);
                }
                assert_close(&expected(&phi, &mu, &advantages, c), &sum);
            }
        }
        assert!(cut > 100 && whole > 100, "{cut}, {whole}");
    }

    #[test]
    fn on_policy_nothing_is_truncated_or_corrected() {
        let Case {
            phi, advantages, ..
        } = case(&mut seeded(7));
        assert_close(&[rho(&phi, &phi, 2)], &[1.0]);
        assert_close(&expected(&phi, &phi, &advantages, 1.0), &[0.0; 4]);
    }
}
