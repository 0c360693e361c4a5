//! The policy's gradient in terms of φ, importance weights truncated and the bias of that corrected
//! (Wang et al. 2017, eq. 7 and 9).

use tch::Tensor;

use crate::nn::distribution::Family;

/// `min(c, ρ_t) ∇_φ log f(a_t|φ) Â_t`, `[B, K]`, for weights and advantages `[B]` of the actions taken.
pub(super) fn truncated(
    family: Family,
    phi: &Tensor,
    actions: &Tensor,
    rho_t: &Tensor,
    advantage_t: &Tensor,
    limit: Option<f64>,
) -> Tensor {
    let weight = limit.map_or_else(|| rho_t.shallow_clone(), |c| rho_t.clamp_max(c));
    (weight * advantage_t).unsqueeze(-1) * family.score(phi, actions)
}

/// `Σ_a [1 − c/ρ(a)]₊ f(a|φ) ∇_φ log f(a|φ) (Q(s, a) − V(s))`, `[B, A]`, for probabilities `φ` and `μ` and all
/// actions' advantages, each `[B, A]`. `f(a) ∇_φ log f(a)` is 1 at `a` and 0 elsewhere.
pub(super) fn expected_correction(
    phi: &Tensor,
    mu: &Tensor,
    advantages: &Tensor,
    c: f64,
) -> Tensor {
    // An action that is not open has both probabilities 0, and no gradient either way.
    let open = phi.gt(0.0);
    excess(&(phi / mu).where_self(&open, &phi.ones_like()), c) * open * advantages
}

/// `[1 − c/ρ(a')]₊ ∇_φ log f(a'|φ) (Q(s, a') − V(s))`, `[B, K]`, for actions `a'` drawn from `f(·|φ)` and their
/// advantages `[B]`.
pub(super) fn sampled_correction(
    family: Family,
    phi: &Tensor,
    mu: &Tensor,
    drawn: &Tensor,
    advantage: &Tensor,
    c: f64,
) -> Tensor {
    let rho = importance(family, phi, mu, drawn);
    (excess(&rho, c) * advantage).unsqueeze(-1) * family.score(phi, drawn)
}

/// `ρ(a) = f(a|φ)/f(a|μ)`, `[B]`.
pub(super) fn importance(family: Family, phi: &Tensor, mu: &Tensor, actions: &Tensor) -> Tensor {
    (family.log_probability(phi, actions) - family.log_probability(mu, actions)).exp()
}

/// `[1 − c/ρ]₊`: what truncation at c takes away, as a share.
fn excess(rho: &Tensor, c: f64) -> Tensor {
    (-(rho.reciprocal() * c) + 1.0).clamp_min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use tch::Kind;

    const FAMILY: Family = Family::Categorical;
    const LIMITS: [f64; 5] = [0.3, 0.9, 1.0, 2.5, 1e9];

    fn row(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([1, -1])
    }

    fn index(action: usize) -> Tensor {
        Tensor::from_slice(&[action as i64]).view([1, 1])
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        let mut values = vec![0.0; tensor.numel()];
        tensor.contiguous().copy_data(&mut values, tensor.numel());
        values
    }

    fn assert_close(found: &Tensor, expected: &[f64]) {
        let found = values(found);
        for (one, expected) in found.iter().zip(expected) {
            assert!(
                (one - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                "{found:?}, {expected}"
            );
        }
    }

    /// π = (0.8, 0.2), μ = (0.2, 0.8), so ρ = (4, ¼). a = 0, Â = 3, c = 2: 2·3/0.8 = 7.5.
    /// Correction: (1 − 2/4)·5 = 2.5 for the first action, nothing for the second.
    #[test]
    fn by_hand() {
        let (phi, mu) = (row(&[0.8, 0.2]), row(&[0.2, 0.8]));
        let rho = importance(FAMILY, &phi, &mu, &index(0));
        assert_close(&rho, &[4.0]);
        assert_close(&importance(FAMILY, &phi, &mu, &index(1)), &[0.25]);
        let advantage = Tensor::from_slice(&[3.0]);
        let with = |limit| truncated(FAMILY, &phi, &index(0), &rho, &advantage, limit);
        assert_close(&with(Some(2.0)), &[7.5, 0.0]);
        assert_close(&with(Some(4.0)), &[15.0, 0.0]);
        assert_close(&with(None), &[15.0, 0.0]);
        let correction = |c| expected_correction(&phi, &mu, &row(&[5.0, 7.0]), c);
        assert_close(&correction(2.0), &[2.5, 0.0]);
        assert_close(&correction(0.1), &[0.975 * 5.0, 0.6 * 7.0]);
        assert_close(&correction(4.0), &[0.0, 0.0]);
    }

    struct Case {
        phi: Tensor,
        mu: Tensor,
        advantages: Vec<f64>,
    }

    fn case(rng: &mut ChaCha8Rng) -> Case {
        let mut softmax = || {
            let logits: Vec<f64> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
            row(&logits).softmax(-1, None::<Kind>)
        };
        let (phi, mu) = (softmax(), softmax());
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
                let mut sum = expected_correction(&phi, &mu, &row(&advantages), c);
                for (action, advantage) in advantages.iter().enumerate() {
                    let taken = index(action);
                    let rho = importance(FAMILY, &phi, &mu, &taken);
                    let advantage = Tensor::from_slice(&[*advantage]);
                    let g = truncated(FAMILY, &phi, &taken, &rho, &advantage, Some(c));
                    sum += g * mu.double_value(&[0, action as i64]);
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
                    let advantage = Tensor::from_slice(&[*advantage]);
                    let one = sampled_correction(FAMILY, &phi, &mu, &index(action), &advantage, c);
                    let one = values(&one);
                    if one.iter().all(|value| *value == 0.0) {
                        whole += 1;
                    } else {
                        cut += 1;
                    }
                    let probability = phi.double_value(&[0, action as i64]);
                    for (sum, one) in sum.iter_mut().zip(one) {
                        *sum += probability * one;
                    }
                }
                assert_close(&expected_correction(&phi, &mu, &row(&advantages), c), &sum);
            }
        }
        assert!(cut > 100 && whole > 100, "{cut}, {whole}");
    }

    #[test]
    fn on_policy_nothing_is_truncated_or_corrected() {
        let Case {
            phi, advantages, ..
        } = case(&mut seeded(7));
        let rho = importance(FAMILY, &phi, &phi, &index(2));
        assert_close(&rho, &[1.0]);
        assert_close(
            &expected_correction(&phi, &phi, &row(&advantages), 1.0),
            &[0.0; 4],
        );
    }
}
