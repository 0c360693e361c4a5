use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// What a helper has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Whole messages sent.
    pub(super) sent: u64,
    /// Whole messages received.
    pub(super) received: u64,
    /// Bytes of tensors received.
    pub(super) received_bytes: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            received_bytes: self.received_bytes + other.received_bytes,
        }
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
            received_bytes: self.received_bytes - earlier.received_bytes,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_differ_by_field() {
        let tally = |sent, received, received_bytes| Tally {
            sent,
            received,
            received_bytes,
        };
        let sum: Tally = [tally(1, 2, 3), tally(10, 20, 30)].into_iter().sum();
        assert_eq!(sum, tally(11, 22, 33));
        assert_eq!(sum - tally(1, 2, 3), tally(10, 20, 30));
    }
}
