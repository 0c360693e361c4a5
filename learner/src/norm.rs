//! The global norm of a vector.

/// Euclidean norm of `values`; not finite exactly where one of them is not.
pub(crate) fn global_norm(values: &[f32]) -> f64 {
    let (lanes, rest) = values.as_chunks::<16>();
    let mut sums = [0.0_f64; 16];
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let tail: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    (sums.iter().sum::<f64>() + tail).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_covers_whole_lanes_and_the_rest() {
        assert_eq!(global_norm(&[3.0, 4.0]), 5.0);
        assert_eq!(global_norm(&[2.0; 25]), 10.0);
        assert_eq!(global_norm(&[]), 0.0);
    }

    #[test]
    fn the_norm_is_finite_exactly_where_all_values_are() {
        for at in [0, 15, 16, 20] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = [1.0; 21];
                values[at] = bad;
                assert!(!global_norm(&values).is_finite());
            }
        }
        assert!(global_norm(&[f32::MAX; 40]).is_finite());
    }
}
