//! Mean and spread of observations, gathered in parts that combine to those of the whole.

use crate::bounds::MEAN;
use crate::proto::v1;

/// More dimensions are not followed: their moments would not fit into a message beside a chunk.
pub const MOST_DIMENSIONS: usize = MEAN.most;

/// How many vectors `[D]` there were, their mean, and for each dimension the sum of squared
/// deviations from it, `M2`.
///
/// Moments of no vectors have no dimensions yet and combine with any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

/// What cannot be the moments of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentsError {
    /// Mean and sum of squares are of different vectors.
    #[error("the mean has {mean} dimensions, M2 {m2}; expected as many, {MOST_DIMENSIONS} at most")]
    Dimensions {
        /// Of the mean.
        mean: usize,
        /// Of the sum of squared deviations.
        m2: usize,
    },
    /// No vectors have moments other than none.
    #[error("there are {0} dimensions of no observations; expected none")]
    OfNothing(usize),
    /// Finite 32-bit floats cannot have them.
    #[error(
        "the mean or M2 of dimension {0} is not that of finite numbers: an observation holds NaN or infinity"
    )]
    NotFinite(usize),
}

impl Moments {
    /// The moments with these parts.
    ///
    /// # Errors
    /// If nothing can have them.
    pub fn from_parts(count: u64, mean: Vec<f64>, m2: Vec<f64>) -> Result<Self, MomentsError> {
        if mean.len() != m2.len() || mean.len() > MOST_DIMENSIONS {
            let (mean, m2) = (mean.len(), m2.len());
            return Err(MomentsError::Dimensions { mean, m2 });
        }
        if count == 0 && !mean.is_empty() {
            return Err(MomentsError::OfNothing(mean.len()));
        }
        let largest = f64::from(f32::MAX);
        let most = count as f64 * 4.0 * largest * largest;
        let sound = |(mean, m2): (&f64, &f64)| mean.abs() <= largest && (0.0..=most).contains(m2);
        match mean.iter().zip(&m2).position(|parts| !sound(parts)) {
            Some(dimension) => Err(MomentsError::NotFinite(dimension)),
            None => Ok(Self { count, mean, m2 }),
        }
    }

    /// Vectors, `N`.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of each dimension, `[D]`; empty if there were no vectors.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sum of squared deviations from the mean of each dimension, `[D]`.
    pub fn m2(&self) -> &[f64] {
        &self.m2
    }

    /// Variance of each dimension, `M2 / N`, `[D]`.
    pub fn variance(&self) -> impl Iterator<Item = f64> {
        let count = self.count as f64;
        self.m2.iter().map(move |m2| m2 / count)
    }

    /// Adds the vectors `[N, D]`, flattened (Welford 1962).
    ///
    /// # Panics
    /// If `dimensions` is 0 or not that of the vectors before.
    pub fn extend(&mut self, vectors: &[f32], dimensions: usize) {
        if self.count == 0 {
            self.mean.resize(dimensions, 0.0);
            self.m2.resize(dimensions, 0.0);
        }
        assert_eq!(self.mean.len(), dimensions, "dimensions of the vectors");
        for vector in vectors.chunks_exact(dimensions) {
            self.count += 1;
            let weight = 1.0 / self.count as f64;
            for ((value, mean), m2) in vector.iter().zip(&mut self.mean).zip(&mut self.m2) {
                let before = f64::from(*value) - *mean;
                *mean += before * weight;
                *m2 += before * (f64::from(*value) - *mean);
            }
        }
    }

    /// Adds the vectors that `other` is of (Chan, Golub and LeVeque 1979, equation 2.1).
    ///
    /// # Panics
    /// If both are of vectors, but with different dimensions; see [`combines_with`](Self::combines_with).
    pub fn merge(&mut self, other: &Self) {
        assert!(self.combines_with(other), "dimensions of the moments");
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        let (n_a, n_b) = (self.count as f64, other.count as f64);
        let n = n_a + n_b;
        let ours = self.mean.iter_mut().zip(&mut self.m2);
        for ((mean, m2), (other_mean, other_m2)) in ours.zip(other.mean.iter().zip(&other.m2)) {
            let delta = other_mean - *mean;
            *mean += delta * (n_b / n);
            *m2 += other_m2 + delta * delta * (n_a * n_b / n);
        }
        self.count = self.count.saturating_add(other.count);
    }

    /// Whether both are of vectors with as many dimensions.
    pub fn combines_with(&self, other: &Self) -> bool {
        self.count == 0 || other.count == 0 || self.mean.len() == other.mean.len()
    }

    /// Makes them those of `most` vectors with the same mean and variance, if there were more.
    pub fn weigh_at_most(&mut self, most: u64) {
        if self.count > most {
            let factor = most as f64 / self.count as f64;
            self.m2.iter_mut().for_each(|m2| *m2 *= factor);
            self.count = most;
        }
    }

    /// Forgets all vectors; the memory is kept.
    pub fn clear(&mut self) {
        self.count = 0;
        self.mean.clear();
        self.m2.clear();
    }
}

impl From<&Moments> for v1::ObservationMoments {
    fn from(moments: &Moments) -> Self {
        Self {
            count: moments.count,
            mean: moments.mean.clone(),
            m2: moments.m2.clone(),
        }
    }
}

impl From<&Moments> for Box<v1::ObservationMoments> {
    fn from(moments: &Moments) -> Self {
        Self::new(moments.into())
    }
}

impl TryFrom<&v1::ObservationMoments> for Moments {
    type Error = MomentsError;

    fn try_from(message: &v1::ObservationMoments) -> Result<Self, MomentsError> {
        Self::from_parts(message.count, message.mean.clone(), message.m2.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const D: usize = 3;

    /// Vectors far from 0 with small spread: sums of squares would lose all digits.
    fn vectors(seed: u64, n: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let value = |i: usize| 1000.0 * (i % D) as f32 + rng.random_range(-1.0..1.0_f32);
        (0..n * D).map(value).collect()
    }

    fn moments(vectors: &[f32]) -> Moments {
        let mut moments = Moments::default();
        moments.extend(vectors, D);
        moments
    }

    /// First the mean, then the squares of what is left.
    fn two_passes(vectors: &[f32]) -> Moments {
        let n = (vectors.len() / D) as f64;
        let column = |d| vectors.iter().skip(d).step_by(D).map(|v| f64::from(*v));
        let mean: Vec<f64> = (0..D).map(|d| column(d).sum::<f64>() / n).collect();
        let squares = |d: usize| column(d).map(|v| (v - mean[d]).powi(2)).sum::<f64>();
        let m2 = (0..D).map(squares).collect();
        Moments::from_parts(n as u64, mean, m2).unwrap()
    }

    fn assert_close(found: &Moments, expected: &Moments) {
        assert_eq!(found.count, expected.count);
        let pairs = |a: &[f64], b: &[f64]| a.iter().copied().zip(b.to_vec()).collect::<Vec<_>>();
        let all = [
            pairs(&found.mean, &expected.mean),
            pairs(&found.m2, &expected.m2),
        ];
        for (a, b) in all.concat() {
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn gathered_one_by_one_they_are_those_of_two_passes() {
        for n in [1, 2, 1000] {
            let vectors = vectors(n as u64, n);
            assert_close(&moments(&vectors), &two_passes(&vectors));
        }
    }

    #[test]
    fn parts_combine_to_the_whole_in_any_order() {
        let vectors = vectors(7, 600);
        let whole = two_passes(&vectors);
        let mut parts = Vec::new();
        let mut rest = vectors.as_slice();
        for n in [1, 0, 299, 17, 283] {
            let (part, tail) = rest.split_at(n * D);
            parts.push(moments(part));
            rest = tail;
        }
        assert!(rest.is_empty());
        for turn in 0..parts.len() {
            parts.rotate_left(turn);
            let mut combined = Moments::default();
            parts.iter().for_each(|part| combined.merge(part));
            assert_close(&combined, &whole);
        }
        // As a tree, too: ((0 1) (2 (3 4))).
        let pair = |a: &Moments, b: &Moments| {
            let mut both = a.clone();
            both.merge(b);
            both
        };
        let right = pair(&parts[2], &pair(&parts[3], &parts[4]));
        assert_close(&pair(&pair(&parts[0], &parts[1]), &right), &whole);
    }

    #[test]
    fn nothing_combines_with_anything_and_changes_nothing() {
        let some = moments(&vectors(1, 5));
        let mut same = some.clone();
        same.merge(&Moments::default());
        assert_eq!(same, some);
        let mut taken = moments(&vectors(2, 3));
        taken.clear();
        taken.merge(&some);
        assert_eq!(taken, some);
        let mut wider = Moments::default();
        wider.extend(&[1.0; 4], 4);
        assert!(!some.combines_with(&wider) && some.combines_with(&Moments::default()));
    }

    #[test]
    fn variances_are_those_of_the_population() {
        let moments = moments(&[1.0, 0.0, 5.0, 3.0, 0.0, 9.0]);
        assert_eq!(moments.variance().collect::<Vec<_>>(), [1.0, 0.0, 4.0]);
    }

    #[test]
    fn what_weighs_less_has_the_same_mean_and_variance() {
        let all = moments(&vectors(4, 1_000));
        let mut fewer = all.clone();
        fewer.weigh_at_most(1_000);
        assert_eq!(fewer, all);
        fewer.weigh_at_most(10);
        assert_eq!((fewer.count(), fewer.mean()), (10, all.mean()));
        for (found, expected) in fewer.variance().zip(all.variance()) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn messages_carry_every_bit() {
        let moments = moments(&vectors(3, 50));
        let message = v1::ObservationMoments::from(&moments);
        let bytes = prost::Message::encode_to_vec(&message);
        let back: v1::ObservationMoments = prost::Message::decode(bytes.as_slice()).unwrap();
        assert_eq!(Moments::try_from(&back).unwrap(), moments);
    }

    #[test]
    fn what_no_vectors_can_have_is_refused() {
        let check = |count, mean: &[f64], m2: &[f64], expected| {
            let found = Moments::from_parts(count, mean.to_vec(), m2.to_vec());
            assert_eq!(found, Err(expected));
        };
        let not_finite = MomentsError::NotFinite(1);
        check(3, &[0.0, f64::NAN], &[1.0, 1.0], not_finite);
        check(3, &[0.0, 0.0], &[1.0, f64::INFINITY], not_finite);
        check(3, &[0.0, 0.0], &[1.0, -1e-9], not_finite);
        check(3, &[0.0, 1e39], &[1.0, 1.0], not_finite);
        check(3, &[0.0, 0.0], &[1.0, 1e80], not_finite);
        check(0, &[0.0], &[0.0], MomentsError::OfNothing(1));
        let (mean, m2) = (1, 2);
        check(3, &[0.0], &[0.0; 2], MomentsError::Dimensions { mean, m2 });
        let wide = vec![0.0; MOST_DIMENSIONS + 1];
        let (mean, m2) = (wide.len(), wide.len());
        check(3, &wide, &wide, MomentsError::Dimensions { mean, m2 });
    }
}
