//! Distributions over actions in terms of their statistics φ, which the trust region is about.

use std::f64::consts::TAU;

use tch::{Kind, Tensor};

/// No probability is taken to be smaller: in 32 bits a softmax may reach 0.
const MIN_PROBABILITY: f64 = 1e-8;

/// A family `f(·|φ)` with statistics φ, `[B, K]`.
///
/// Actions are `[B, 1]`, an index each, or `[B, D]`, of φ's kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Family {
    /// φ are the probabilities of the actions, `K = A`.
    Categorical,
    /// φ is the mean, `K = D`; the standard deviation is the same in every dimension and fixed.
    Gaussian {
        /// σ
        deviation: f64,
    },
}

impl Family {
    /// `log f(a|φ)`, `[B]`.
    pub(super) fn log_probability(self, phi: &Tensor, actions: &Tensor) -> Tensor {
        match self {
            Self::Categorical => floored(&phi.gather(-1, actions, false))
                .log()
                .squeeze_dim(-1),
            Self::Gaussian { deviation } => {
                let variance = deviation * deviation;
                let log_scale = (TAU * variance).ln() * phi.size()[1] as f64;
                (sum(&(actions - phi).square()) / variance + log_scale) * -0.5
            }
        }
    }

    /// `∇_φ log f(a|φ)`, `[B, K]`.
    pub(super) fn score(self, phi: &Tensor, actions: &Tensor) -> Tensor {
        match self {
            Self::Categorical => {
                let of_taken = floored(&phi.gather(-1, actions, false)).reciprocal();
                phi.zeros_like().scatter(-1, actions, &of_taken)
            }
            Self::Gaussian { deviation } => (actions - phi) / (deviation * deviation),
        }
    }

    /// `KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B]`.
    pub(super) fn divergence(self, phi_avg: &Tensor, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => sum(&(phi_avg * (floored(phi_avg).log() - floored(phi).log()))),
            Self::Gaussian { deviation } => {
                sum(&(phi_avg - phi).square()) / (2.0 * deviation * deviation)
            }
        }
    }

    /// `κ = ∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B, K]`: `−φ_avg/φ`, or `(φ − φ_avg)/σ²`.
    pub(super) fn divergence_gradient(self, phi_avg: &Tensor, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => -phi_avg / floored(phi),
            Self::Gaussian { deviation } => (phi - phi_avg) / (deviation * deviation),
        }
    }

    /// `H(f(·|φ))`, `[B]`; differential for continuous actions, where it is the same whatever φ.
    pub(super) fn entropy(self, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => -sum(&(phi * floored(phi).log())),
            Self::Gaussian { deviation } => {
                let [rows, dimensions] = phi.size()[..] else {
                    panic!("expected statistics [B, K], found {:?}", phi.size())
                };
                let of_one = 0.5 * ((TAU * deviation * deviation).ln() + 1.0);
                Tensor::full(
                    [rows],
                    of_one * dimensions as f64,
                    (phi.kind(), phi.device()),
                )
            }
        }
    }
}

fn floored(probabilities: &Tensor) -> Tensor {
    probabilities.clamp_min(MIN_PROBABILITY)
}

/// `[B, K]` to `[B]`.
fn sum(rows: &Tensor) -> Tensor {
    rows.sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use rand::RngExt;

    const GAUSSIAN: Family = Family::Gaussian { deviation: 0.3 };

    fn row(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([1, -1])
    }

    fn close(found: &Tensor, expected: &[f64]) {
        let mut values = vec![0.0; found.numel()];
        found
            .to_kind(Kind::Double)
            .contiguous()
            .copy_data(&mut values, expected.len());
        for (found, expected) in values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{values:?} for {expected}");
        }
    }

    #[test]
    fn categorical_by_hand() {
        let (phi, average) = (row(&[0.2, 0.3, 0.5]), row(&[0.4, 0.3, 0.3]));
        let taken = Tensor::from_slice(&[1_i64]).view([1, 1]);
        close(
            &Family::Categorical.log_probability(&phi, &taken),
            &[0.3_f64.ln()],
        );
        close(
            &Family::Categorical.score(&phi, &taken),
            &[0.0, 1.0 / 0.3, 0.0],
        );
        close(
            &Family::Categorical.divergence_gradient(&average, &phi),
            &[-2.0, -1.0, -0.6],
        );
        // Σ φ_avg ln(φ_avg/φ) = 0.4 ln 2 + 0.3 ln 0.6
        close(
            &Family::Categorical.divergence(&average, &phi),
            &[0.124_010_7],
        );
        let softmax = row(&[0.0, 1.0, 2.0]).softmax(-1, None::<Kind>);
        close(&Family::Categorical.entropy(&softmax), &[0.832_396]);
    }

    #[test]
    fn gaussian_by_hand() {
        let unit = Family::Gaussian { deviation: 1.0 };
        close(&unit.entropy(&row(&[7.0])), &[1.418_939]);
        close(
            &unit.log_probability(&row(&[1.0]), &row(&[1.0])),
            &[-0.918_939],
        );
        let (phi, average, taken) = (row(&[0.0, 1.0]), row(&[0.3, 1.0]), row(&[0.0, 1.09]));
        close(&GAUSSIAN.score(&phi, &taken), &[0.0, 1.0]);
        close(
            &GAUSSIAN.divergence_gradient(&average, &phi),
            &[-0.3 / 0.09, 0.0],
        );
        close(&GAUSSIAN.divergence(&average, &phi), &[0.5]);
    }

    /// Both gradients are what automatic differentiation makes of what they are gradients of.
    #[test]
    fn scores_and_divergences_have_their_gradients() {
        let mut rng = seeded(3);
        for family in [Family::Categorical, GAUSSIAN] {
            for _ in 0..20 {
                let mut numbers = || {
                    let values: Vec<f64> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
                    match family {
                        Family::Categorical => row(&values).softmax(-1, None::<Kind>),
                        Family::Gaussian { .. } => row(&values),
                    }
                };
                let (phi, average) = (numbers().set_requires_grad(true), numbers());
                let taken = match family {
                    Family::Categorical => Tensor::from_slice(&[2_i64]).view([1, 1]),
                    Family::Gaussian { .. } => numbers(),
                };
                let gradient = |of: Tensor| {
                    Tensor::run_backward(&[of.sum(Kind::Double)], &[&phi], false, false).remove(0)
                };
                let score = gradient(family.log_probability(&phi, &taken));
                assert!(score.allclose(&family.score(&phi, &taken), 1e-10, 1e-10, false));
                let kappa = gradient(family.divergence(&average, &phi));
                assert!(kappa.allclose(
                    &family.divergence_gradient(&average, &phi),
                    1e-10,
                    1e-10,
                    false
                ));
            }
        }
    }

    #[test]
    fn a_distribution_does_not_diverge_from_itself() {
        let phi = row(&[0.2, 0.3, 0.5]);
        for family in [Family::Categorical, GAUSSIAN] {
            close(&family.divergence(&phi, &phi), &[0.0]);
        }
        close(&GAUSSIAN.divergence_gradient(&phi, &phi), &[0.0; 3]);
    }

    /// A softmax that has reached 0 and 1 in 32 bits.
    #[test]
    fn certainty_stays_finite() {
        let phi = row(&[0.0, 1.0]).to_kind(Kind::Float);
        let average = row(&[0.5, 0.5]).to_kind(Kind::Float);
        let taken = Tensor::from_slice(&[0_i64]).view([1, 1]);
        let family = Family::Categorical;
        for found in [
            family.log_probability(&phi, &taken),
            family.score(&phi, &taken),
            family.divergence(&average, &phi),
            family.divergence_gradient(&average, &phi),
            family.entropy(&phi),
        ] {
            assert!(bool::try_from(found.isfinite().all()).unwrap(), "{found:?}");
        }
    }
}
