use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Gradients by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradientCounts {
    /// Applied.
    pub applied: u64,
    /// Rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
}

impl GradientCounts {
    /// All that came.
    pub fn received(&self) -> u64 {
        self.refused().saturating_add(self.applied)
    }

    /// Refused, whatever the reason.
    pub fn refused(&self) -> u64 {
        let counts = self.rejected.values();
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// How many of how many were refused, and why: `1213 of 1250 gradients refused (1200 non_finite, 13
/// closed)`; with the most frequent reason first.
impl fmt::Display for GradientCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (refused, received) = (self.refused(), self.received());
        write!(f, "{refused} of {received} gradients refused")?;
        let mut reasons: Vec<_> = self
            .rejected
            .iter()
            .filter(|(_, count)| **count > 0)
            .collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> = reasons
            .into_iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        match reasons.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", reasons.join(", ")),
        }
    }
}

#[cfg(test)]
impl GradientCounts {
    /// So many applied, and so many refused for each reason.
    pub(crate) fn of(applied: u64, rejected: &[(&str, u64)]) -> Self {
        let named = |(reason, n): &(&str, u64)| ((*reason).to_owned(), *n);
        Self {
            applied,
            rejected: rejected.iter().map(named).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_many_of_how_many_and_why() {
        let line = GradientCounts::of(37, &[("closed", 13), ("late", 0), ("non_finite", 1_200)])
            .to_string();
        let expected = "1213 of 1250 gradients refused (1200 non_finite, 13 closed)";
        assert_eq!(line, expected);
        assert_eq!(
            GradientCounts::of(5, &[]).to_string(),
            "0 of 5 gradients refused"
        );
    }
}
