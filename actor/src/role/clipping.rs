//! Gradients of a bounded global norm.

/// Scales `gradient` down to the global norm `limit` where its own is larger; gives whether it
/// was. One that is not finite stays as it is: the learner refuses it and counts it.
pub(crate) fn clip_to_norm(gradient: &mut [f32], limit: f64) -> bool {
    let norm = norm(gradient);
    let clips = norm.is_finite() && norm > limit;
    if clips {
        let scale = limit / norm;
        gradient
            .iter_mut()
            .for_each(|value| *value = (f64::from(*value) * scale) as f32);
    }
    clips
}

/// Global Euclidean norm, summed in lanes that a processor adds side by side.
pub(super) fn norm(gradient: &[f32]) -> f64 {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let (lanes, rest) = gradient.as_chunks::<16>();
    let mut sums = [0.0_f64; 16];
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += square(value);
        }
    }
    let tail: f64 = rest.iter().map(square).sum();
    (sums.iter().sum::<f64>() + tail).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn slow_norm(gradient: &[f32]) -> f64 {
        let squares = gradient.iter().map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// What clipping must give, written down as the definition says it.
    fn oracle(gradient: &[f32], limit: f64) -> Vec<f32> {
        let scale = (limit / slow_norm(gradient)).min(1.0);
        let scaled = |value: &f32| (f64::from(*value) * scale) as f32;
        gradient.iter().map(scaled).collect()
    }

    #[test]
    fn a_larger_norm_becomes_the_limit_and_a_smaller_one_stays() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for len in [1, 15, 16, 17, 1000, 4099] {
            let gradient: Vec<f32> = (0..len).map(|_| rng.random_range(-1.0..1.0)).collect();
            for factor in [0.01, 0.999, 1.001, 100.0] {
                let limit = factor * slow_norm(&gradient);
                let mut clipped = gradient.clone();
                let clips = clip_to_norm(&mut clipped, limit);
                assert_eq!(clips, factor < 1.0, "{len} elements, limit × {factor}");
                if !clips {
                    assert_eq!(clipped, gradient);
                    continue;
                }
                assert!((slow_norm(&clipped) / limit - 1.0).abs() < 1e-6);
                for (value, expected) in clipped.iter().zip(oracle(&gradient, limit)) {
                    assert!((value - expected).abs() <= 1e-6 * expected.abs());
                }
            }
        }
    }

    #[test]
    fn values_whose_squares_no_f32_holds_are_clipped_right() {
        let mut gradient = [3e30, -4e30];
        assert!(clip_to_norm(&mut gradient, 5.0));
        assert_eq!(gradient, [3.0, -4.0]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_left_to_the_learner() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut gradient = [9.0, bad, 9.0];
            assert!(!clip_to_norm(&mut gradient, 1.0));
            assert_eq!(
                gradient.map(f32::to_bits),
                [9.0, bad, 9.0].map(f32::to_bits)
            );
        }
    }
}
