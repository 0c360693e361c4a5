//! The clipped terms, in one row.

/// A term of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) value: f64,
    /// Its derivative.
    pub(super) slope: f64,
}

/// `min(r Â, clip(r, 1 − ε, 1 + ε) Â)` (Schulman et al. 2017, eq. 7), to be ascended, and its derivative with respect to
/// `log π`: `r Â`, or 0 where more of the ratio would change nothing.
pub(super) fn surrogate(ratio: f64, advantage: f64, epsilon: f64) -> Term {
    let free = ratio * advantage;
    let clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon) * advantage;
    Term {
        value: free.min(clipped),
        slope: if clipped < free { 0.0 } else { free },
    }
}

/// `½ (R − V)²`, and its derivative with respect to `V`. With a limit it is the larger of that and of what a value would have that
/// goes no further than the limit from `before`.
pub(super) fn value_error(v: f64, r: f64, before: f64, limit: Option<f64>) -> Term {
    let free = Term {
        value: (r - v).powi(2) / 2.0,
        slope: v - r,
    };
    let Some(limit) = limit else {
        return free;
    };
    let held = before + (v - before).clamp(-limit, limit);
    let held_error = (r - held).powi(2) / 2.0;
    match held_error > free.value {
        true => Term {
            value: held_error,
            slope: 0.0,
        },
        false => free,
    }
}

/// What a row says of `KL[π_prox ‖ π]` by `r = π/π_prox` of an action of `π_prox`: `(r − 1) − log r` has that mean, and is
/// never negative.
pub(super) fn divergence(log_ratio: f64) -> f64 {
    log_ratio.exp() - 1.0 - log_ratio
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use crate::nn::distribution::softmax;
    use rand::RngExt;

    fn term(value: f64, slope: f64) -> Term {
        Term { value, slope }
    }

    /// The six cases of the paper's figure 1.
    #[test]
    fn a_surrogate_by_hand() {
        let of = |ratio, advantage| surrogate(ratio, advantage, 0.25);
        assert_eq!(of(1.0, 2.0), term(2.0, 2.0));
        assert_eq!(of(1.0, -2.0), term(-2.0, -2.0));
        assert_eq!(of(1.5, 2.0), term(2.5, 0.0));
        assert_eq!(of(0.5, 2.0), term(1.0, 1.0));
        assert_eq!(of(1.5, -2.0), term(-3.0, -3.0));
        assert_eq!(of(0.5, -2.0), term(-1.5, 0.0));
    }

    #[test]
    fn a_value_error_by_hand() {
        assert_eq!(value_error(3.0, 1.0, 0.0, None), term(2.0, 2.0));
        // Towards R beyond the limit: nothing more to gain.
        assert_eq!(value_error(1.0, 2.0, 0.0, Some(0.5)), term(1.125, 0.0));
        // Away from R: it comes back.
        assert_eq!(value_error(-1.0, 2.0, 0.0, Some(0.5)), term(4.5, -3.0));
        assert_eq!(value_error(0.25, 2.0, 0.0, Some(0.5)), term(1.53125, -1.75));
        // Beyond R on the other side.
        assert_eq!(value_error(4.0, 1.0, 0.0, Some(2.0)), term(4.5, 3.0));
    }

    /// The slow way: the loss as it is written, its derivatives as central differences.
    #[test]
    fn slopes_are_those_of_the_values() {
        let mut rng = seeded(3);
        let step = 1e-6;
        let (mut cut, mut held) = (0, 0);
        for _ in 0..2000 {
            let mut number = || rng.random_range(-2.0..2.0_f64);
            let (log_ratio, a, v, r, before) =
                (number() / 4.0, number(), number(), number(), number());
            let at = |log_ratio: f64| {
                let ratio = log_ratio.exp();
                let clipped = ratio.clamp(0.8, 1.2);
                (ratio * a).min(clipped * a)
            };
            let found = surrogate(log_ratio.exp(), a, 0.2);
            let numeric = (at(log_ratio + step) - at(log_ratio - step)) / (2.0 * step);
            assert!((found.value - at(log_ratio)).abs() < 1e-12);
            assert!((found.slope - numeric).abs() < 1e-6, "{log_ratio}, {a}");
            cut += usize::from(found.slope == 0.0);
            let at = |v: f64| {
                let near = v.min(before + 0.5).max(before - 0.5);
                (v - r).powi(2).max((near - r).powi(2)) * 0.5
            };
            let found = value_error(v, r, before, Some(0.5));
            let numeric = (at(v + step) - at(v - step)) / (2.0 * step);
            assert!((found.value - at(v)).abs() < 1e-12);
            assert!((found.slope - numeric).abs() < 1e-6, "{v}, {r}, {before}");
            held += usize::from(found.slope == 0.0);
        }
        assert!(cut > 100 && held > 100, "{cut}, {held}");
    }

    /// The exact sum over actions.
    #[test]
    fn a_divergences_mean_is_that_of_kullback_and_leibler() {
        let mut rng = seeded(4);
        for _ in 0..50 {
            let mut probabilities = || {
                let logits: Vec<f32> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
                let mut probabilities = vec![0.0; 4];
                softmax(&logits, None, &mut probabilities);
                probabilities
            };
            let (prox, pi) = (probabilities(), probabilities());
            let pairs = || prox.iter().zip(&pi);
            let exact: f64 = pairs().map(|(q, p)| q * (q / p).ln()).sum();
            let found: f64 = pairs().map(|(q, p)| q * divergence((p / q).ln())).sum();
            assert!((found - exact).abs() < 1e-12, "{found} for {exact}");
        }
    }
}
