//! Values on another scale, so that large rewards need not be clipped (Pohlen et al. 2018, arXiv 1805.11593).

/// `h(x) = sign(x)(√(|x| + 1) − 1) + εx`, or the identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rescaling {
    /// ε, above 0; none for the identity.
    epsilon: Option<f64>,
}

impl Rescaling {
    /// With this ε; the identity without.
    pub(super) fn new(epsilon: Option<f64>) -> Self {
        Self { epsilon }
    }

    /// `h(x)`
    pub(super) fn of(self, x: f64) -> f64 {
        match self.epsilon {
            // √(|x| + 1) − 1, without the loss of digits where x is small.
            Some(epsilon) => x / ((x.abs() + 1.0).sqrt() + 1.0) + epsilon * x,
            None => x,
        }
    }

    /// `h⁻¹(y) = sign(y)(((√(1 + 4ε(|y| + 1 + ε)) − 1) / 2ε)² − 1)` (proposition A.2).
    pub(super) fn inverse(self, y: f64) -> f64 {
        let Some(epsilon) = self.epsilon else {
            return y;
        };
        let inner = 4.0 * epsilon * (y.abs() + 1.0 + epsilon);
        // (√(1 + inner) − 1) / 2ε, as above.
        let root = inner / ((1.0 + inner).sqrt() + 1.0) / (2.0 * epsilon);
        y.signum() * (root * root - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: Rescaling = Rescaling {
        epsilon: Some(1e-3),
    };

    #[test]
    fn the_published_function_has_these_values() {
        for (x, expected) in [(100.0, 9.149_876), (-3.0, -1.003), (0.0, 0.0)] {
            let found = PUBLISHED.of(x);
            assert!((found - expected).abs() < 1e-6, "h({x}) = {found}");
        }
    }

    #[test]
    fn the_inverse_takes_everything_back() {
        for epsilon in [1e-3, 1e-2, 0.5] {
            let rescaling = Rescaling::new(Some(epsilon));
            for exponent in -60..=60 {
                let x = 10_f64.powf(f64::from(exponent) / 10.0);
                for x in [x, -x] {
                    let found = rescaling.inverse(rescaling.of(x));
                    let error = (found - x).abs() / x.abs().max(1e-3);
                    assert!(error < 1e-9, "ε = {epsilon}: {found} for {x}");
                    let found = rescaling.of(rescaling.inverse(x));
                    let error = (found - x).abs() / x.abs().max(1e-3);
                    assert!(error < 1e-9, "ε = {epsilon}: h(h⁻¹({x})) = {found}");
                }
            }
        }
    }

    /// As it is written, without the care for digits.
    #[test]
    fn it_is_the_function_as_it_is_written() {
        for x in [-1e5_f64, -3.5, -0.2, 0.3, 7.0, 1e6] {
            let expected = x.signum() * ((x.abs() + 1.0).sqrt() - 1.0) + 1e-3 * x;
            assert!((PUBLISHED.of(x) / expected - 1.0).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn without_epsilon_nothing_changes() {
        let identity = Rescaling::new(None);
        for x in [-7.0, 0.0, 1e9] {
            assert_eq!((identity.of(x), identity.inverse(x)), (x, x));
        }
    }
}
