use tch::Tensor;

use super::{categorical, gaussian};

/// A family `f(·|φ)` with statistics φ, `[B, K]`.
///
/// Actions are `[B, 1]`, an index each, or `[B, D]`, of φ's kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
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
    pub fn log_probability(self, phi: &Tensor, actions: &Tensor) -> Tensor {
        match self {
            Self::Categorical => categorical::log_probability(phi, actions),
            Self::Gaussian { deviation } => gaussian::log_probability(phi, actions, deviation),
        }
    }

    /// `∇_φ log f(a|φ)`, `[B, K]`.
    pub fn score(self, phi: &Tensor, actions: &Tensor) -> Tensor {
        match self {
            Self::Categorical => categorical::score(phi, actions),
            Self::Gaussian { deviation } => gaussian::score(phi, actions, deviation),
        }
    }

    /// `KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B]`.
    pub fn divergence(self, phi_avg: &Tensor, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => categorical::divergence(phi_avg, phi),
            Self::Gaussian { deviation } => gaussian::divergence(phi_avg, phi, deviation),
        }
    }

    /// `κ = ∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[B, K]`: `−φ_avg/φ`, or `(φ − φ_avg)/σ²`.
    pub fn divergence_gradient(self, phi_avg: &Tensor, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => categorical::divergence_gradient(phi_avg, phi),
            Self::Gaussian { deviation } => gaussian::divergence_gradient(phi_avg, phi, deviation),
        }
    }

    /// `H(f(·|φ))`, `[B]`; differential for continuous actions, where it is the same whatever φ.
    pub fn entropy(self, phi: &Tensor) -> Tensor {
        match self {
            Self::Categorical => categorical::entropy(phi),
            Self::Gaussian { deviation } => gaussian::entropy(phi, deviation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use tch::Kind;

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
        let mut rng = ChaCha8Rng::seed_from_u64(3);
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
