use super::{categorical, gaussian};

/// A family `f(·|φ)` with statistics φ, `[K]`.
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

/// An action as a family takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Taken<'a> {
    /// An index.
    Choice(usize),
    /// Real numbers, `[D]`.
    Point(&'a [f64]),
}

impl Family {
    /// `log f(a|φ)`.
    ///
    /// # Panics
    /// If the action is of another kind, here and below.
    pub fn log_probability(self, phi: &[f64], action: Taken<'_>) -> f64 {
        match (self, action) {
            (Self::Categorical, Taken::Choice(index)) => categorical::log_probability(phi, index),
            (Self::Gaussian { deviation }, Taken::Point(point)) => {
                gaussian::log_probability(phi, point, deviation)
            }
            (family, action) => panic!("{action:?} is no action of {family:?}"),
        }
    }

    /// Writes `∇_φ log f(a|φ)`, `[K]`.
    pub fn score(self, phi: &[f64], action: Taken<'_>, score: &mut [f64]) {
        match (self, action) {
            (Self::Categorical, Taken::Choice(index)) => categorical::score(phi, index, score),
            (Self::Gaussian { deviation }, Taken::Point(point)) => {
                gaussian::score(phi, point, deviation, score);
            }
            (family, action) => panic!("{action:?} is no action of {family:?}"),
        }
    }

    /// `KL[f(·|φ_avg) ‖ f(·|φ)]`.
    pub fn divergence(self, phi_avg: &[f64], phi: &[f64]) -> f64 {
        match self {
            Self::Categorical => categorical::divergence(phi_avg, phi),
            Self::Gaussian { deviation } => gaussian::divergence(phi_avg, phi, deviation),
        }
    }

    /// Writes `κ = ∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`, `[K]`: `−φ_avg/φ`, or `(φ − φ_avg)/σ²`.
    pub fn divergence_gradient(self, phi_avg: &[f64], phi: &[f64], kappa: &mut [f64]) {
        match self {
            Self::Categorical => categorical::divergence_gradient(phi_avg, phi, kappa),
            Self::Gaussian { deviation } => {
                gaussian::divergence_gradient(phi_avg, phi, deviation, kappa);
            }
        }
    }

    /// `H(f(·|φ))`; differential for continuous actions, where it is the same whatever φ.
    pub fn entropy(self, phi: &[f64]) -> f64 {
        match self {
            Self::Categorical => categorical::entropy(phi),
            Self::Gaussian { deviation } => gaussian::entropy(phi, deviation),
        }
    }

    /// Writes `∇_φ H(f(·|φ))`, `[K]`.
    pub fn entropy_gradient(self, phi: &[f64], gradient: &mut [f64]) {
        match self {
            Self::Categorical => categorical::entropy_gradient(phi, gradient),
            Self::Gaussian { .. } => gradient.fill(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const GAUSSIAN: Family = Family::Gaussian { deviation: 0.3 };

    fn close(found: &[f64], expected: &[f64]) {
        for (one, expected) in found.iter().zip(expected) {
            assert!((one - expected).abs() < 1e-6, "{found:?} for {expected}");
        }
    }

    fn written(len: usize, write: impl FnOnce(&mut [f64])) -> Vec<f64> {
        let mut values = vec![f64::NAN; len];
        write(&mut values);
        values
    }

    fn softmax(logits: &[f32]) -> Vec<f64> {
        written(logits.len(), |phi| categorical::softmax(logits, None, phi))
    }

    #[test]
    fn categorical_by_hand() {
        let family = Family::Categorical;
        let (phi, average) = ([0.2, 0.3, 0.5], [0.4, 0.3, 0.3]);
        let taken = Taken::Choice(1);
        close(&[family.log_probability(&phi, taken)], &[0.3_f64.ln()]);
        let score = written(3, |score| family.score(&phi, taken, score));
        close(&score, &[0.0, 1.0 / 0.3, 0.0]);
        let kappa = written(3, |kappa| family.divergence_gradient(&average, &phi, kappa));
        close(&kappa, &[-2.0, -1.0, -0.6]);
        // Σ φ_avg ln(φ_avg/φ) = 0.4 ln 2 + 0.3 ln 0.6
        close(&[family.divergence(&average, &phi)], &[0.124_010_7]);
        close(&[family.entropy(&softmax(&[0.0, 1.0, 2.0]))], &[0.832_396]);
    }

    #[test]
    fn gaussian_by_hand() {
        let unit = Family::Gaussian { deviation: 1.0 };
        close(&[unit.entropy(&[7.0])], &[1.418_939]);
        let log_f = unit.log_probability(&[1.0], Taken::Point(&[1.0]));
        close(&[log_f], &[-0.918_939]);
        let (phi, average) = ([0.0, 1.0], [0.3, 1.0]);
        let taken = Taken::Point(&[0.0, 1.09]);
        let score = written(2, |score| GAUSSIAN.score(&phi, taken, score));
        close(&score, &[0.0, 1.0]);
        let kappa = written(2, |kappa| {
            GAUSSIAN.divergence_gradient(&average, &phi, kappa);
        });
        close(&kappa, &[-0.3 / 0.09, 0.0]);
        close(&[GAUSSIAN.divergence(&average, &phi)], &[0.5]);
    }

    /// Each gradient is what central differences make of what it is the gradient of.
    #[test]
    fn scores_divergences_and_entropies_have_their_gradients() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for family in [Family::Categorical, GAUSSIAN] {
            for _ in 0..20 {
                let mut numbers = || {
                    let values: Vec<f32> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
                    match family {
                        Family::Categorical => softmax(&values),
                        Family::Gaussian { .. } => values.iter().map(|v| f64::from(*v)).collect(),
                    }
                };
                let (phi, average, point) = (numbers(), numbers(), numbers());
                let taken = match family {
                    Family::Categorical => Taken::Choice(2),
                    Family::Gaussian { .. } => Taken::Point(&point),
                };
                let score = written(4, |score| family.score(&phi, taken, score));
                let log_f = |phi: &[f64]| family.log_probability(phi, taken);
                assert_gradient(&phi, &score, log_f);
                let kappa = written(4, |k| family.divergence_gradient(&average, &phi, k));
                assert_gradient(&phi, &kappa, |phi| family.divergence(&average, phi));
                let of_entropy = written(4, |g| family.entropy_gradient(&phi, g));
                assert_gradient(&phi, &of_entropy, |phi| family.entropy(phi));
            }
        }
    }

    fn assert_gradient(phi: &[f64], gradient: &[f64], of: impl Fn(&[f64]) -> f64) {
        for (i, exact) in gradient.iter().enumerate() {
            let shifted = |by: f64| {
                let mut phi = phi.to_vec();
                phi[i] += by;
                of(&phi)
            };
            let numeric = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
            assert!(
                (numeric - exact).abs() < 1e-4 * (1.0 + exact.abs()),
                "{numeric} for {exact}"
            );
        }
    }

    #[test]
    fn a_distribution_does_not_diverge_from_itself() {
        let phi = [0.2, 0.3, 0.5];
        for family in [Family::Categorical, GAUSSIAN] {
            close(&[family.divergence(&phi, &phi)], &[0.0]);
        }
        let kappa = written(3, |kappa| GAUSSIAN.divergence_gradient(&phi, &phi, kappa));
        close(&kappa, &[0.0; 3]);
    }

    /// A softmax that has reached 0 and 1.
    #[test]
    fn certainty_stays_finite() {
        let (phi, average) = ([0.0, 1.0], [0.5, 0.5]);
        let (taken, family) = (Taken::Choice(0), Family::Categorical);
        let mut found = vec![
            family.log_probability(&phi, taken),
            family.divergence(&average, &phi),
            family.entropy(&phi),
        ];
        found.extend(written(2, |score| family.score(&phi, taken, score)));
        found.extend(written(2, |k| {
            family.divergence_gradient(&average, &phi, k);
        }));
        found.extend(written(2, |g| family.entropy_gradient(&phi, g)));
        assert!(found.iter().all(|value| value.is_finite()), "{found:?}");
    }
}
