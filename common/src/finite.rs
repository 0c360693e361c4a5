//! Numbers that come from outside, once it is known that they are numbers.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Neg;

use serde::{Deserialize, Serialize};

/// A number that is neither infinite nor NaN.
///
/// What is shown, summed up or written into a file is made of these: a mean of them is one again,
/// however large they are, and JSON can hold each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Finite(f64);

/// A number that is infinite or NaN.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} came; expected a finite number")]
pub struct NotFinite(f64);

impl Finite {
    /// The number, if it is one.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The nearest 32-bit float: the largest one if it is too large for any.
    pub fn to_f32(self) -> f32 {
        self.0.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// The mean of some numbers; none of none.
    pub fn mean(values: impl ExactSizeIterator<Item = Self> + Clone) -> Option<Self> {
        if values.len() == 0 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.clone().map(Self::get).sum::<f64>() / n;
        // Where their sum is too large, the sum of their parts is not.
        Self::new(mean).or_else(|| {
            let parts = values.map(|value| value.get() / n);
            Self::new(parts.sum::<f64>().clamp(f64::MIN, f64::MAX))
        })
    }

    /// This number moved by the given part, from 0 to 1, of its way towards another.
    #[must_use]
    pub fn towards(self, other: Self, part: f64) -> Self {
        let moved = self.0 * (1.0 - part) + other.0 * part;
        Self(moved.clamp(f64::MIN, f64::MAX))
    }
}

// Without NaN every number equals itself, and any two compare.
impl Eq for Finite {}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Neg for Finite {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> Self {
        value.0
    }
}

impl TryFrom<f64> for Finite {
    type Error = NotFinite;

    fn try_from(value: f64) -> Result<Self, NotFinite> {
        Self::new(value).ok_or(NotFinite(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(values: &[f64]) -> Vec<Finite> {
        values.iter().filter_map(|v| Finite::new(*v)).collect()
    }

    #[test]
    fn what_is_no_number_is_none() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Finite::new(odd), None);
        }
        assert_eq!(Finite::new(f64::MAX).map(Finite::get), Some(f64::MAX));
    }

    #[test]
    fn a_mean_is_finite_however_large_the_numbers_are() {
        let mean = |values: &[f64]| Finite::mean(all(values).iter().copied()).map(Finite::get);
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        for huge in [f64::MAX, f64::MIN] {
            for n in [1, 3, 100] {
                let found = mean(&vec![huge; n]).unwrap();
                assert!((found / huge - 1.0).abs() < 1e-12, "{n} of {huge}: {found}");
            }
        }
        assert_eq!(mean(&[f64::MAX, f64::MIN]), Some(0.0));
        let found = mean(&[f64::MAX, f64::MAX, f64::MIN, f64::MIN]).unwrap();
        assert!(found.abs() < 1e295, "{found}");
    }

    #[test]
    fn a_way_between_the_largest_numbers_stays_finite() {
        let [low, high] = [f64::MIN, f64::MAX].map(|value| Finite::new(value).unwrap());
        assert!(low.towards(high, 0.5).get().is_finite());
        assert_eq!(high.towards(high, 0.05), high);
        let moved = Finite(1.0).towards(Finite(3.0), 0.25);
        assert_eq!(moved.get(), 1.5);
    }

    #[test]
    fn a_32_bit_float_is_finite_too() {
        assert_eq!(Finite(1e300).to_f32(), f32::MAX);
        assert_eq!(Finite(-1e300).to_f32(), f32::MIN);
        assert_eq!(Finite(0.25).to_f32(), 0.25);
    }

    #[test]
    fn text_holds_every_one_and_nothing_else() {
        for value in [0.0, -1.5, f64::MAX, f64::MIN_POSITIVE] {
            let text = serde_json::to_string(&Finite(value)).unwrap();
            assert_eq!(serde_json::from_str::<Finite>(&text).unwrap().get(), value);
        }
        assert!(serde_json::from_str::<Finite>("null").is_err());
    }
}
