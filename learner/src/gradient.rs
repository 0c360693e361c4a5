//! One gradient as it reaches the parameter server.

/// A gradient and what it was computed on.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a> {
    /// Counts up from 1 within a session.
    pub sequence: u64,
    /// The learner's life that its weights came from.
    pub epoch: u64,
    /// Version of the weights that it was computed on.
    pub version: u64,
    /// `dL/dθ` in the layout's order.
    pub values: &'a [f32],
}

impl Gradient<'_> {
    /// Global Euclidean norm; not finite exactly where one of the values is not.
    pub(crate) fn norm(&self) -> f64 {
        let (lanes, rest) = self.values.as_chunks::<16>();
        let mut sums = [0.0_f64; 16];
        for lane in lanes {
            for (sum, value) in sums.iter_mut().zip(lane) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        let tail: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        (sums.iter().sum::<f64>() + tail).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(values: &[f32]) -> f64 {
        Gradient {
            sequence: 1,
            epoch: 1,
            version: 0,
            values,
        }
        .norm()
    }

    #[test]
    fn the_norm_covers_whole_lanes_and_the_rest() {
        assert_eq!(norm(&[3.0, 4.0]), 5.0);
        assert_eq!(norm(&[2.0; 25]), 10.0);
        assert_eq!(norm(&[]), 0.0);
    }

    #[test]
    fn the_norm_is_finite_exactly_where_all_values_are() {
        for at in [0, 15, 16, 20] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = [1.0; 21];
                values[at] = bad;
                assert!(!norm(&values).is_finite());
            }
        }
        assert!(norm(&[f32::MAX; 40]).is_finite());
    }
}
