//! Whether a run has learnt from what its workers sent.

use std::fmt;

use troop_common::proto::v1::Verdict;

use crate::run_files::summary::GradientCounts;
use crate::shard::admission::reason;

/// Exit code of a run that is over and has not learnt, or from little of what came.
pub const NOT_LEARNT: u8 = 3;

/// Refusals that say that a gradient was wrong. The others say that it came at the wrong time, which
/// an experiment may ask for: with `drop` a run that refused 61 % was among the fastest
/// (docs/benchmarks.md).
const WRONG: [Verdict; 2] = [Verdict::NonFinite, Verdict::Malformed];

/// How much of what came a run has learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learning {
    /// Whatever was refused, it was no more than what an experiment may ask for.
    Enough,
    /// More than half of the gradients were wrong.
    Little,
    /// No gradient was applied at all.
    Nothing,
}

impl Learning {
    /// That of a run whose gradients met this fate.
    pub fn of(gradients: &GradientCounts) -> Self {
        let wrong = |verdict| gradients.rejected.get(reason(verdict)).copied();
        let wrong: u64 = WRONG.into_iter().filter_map(wrong).sum();
        let others = gradients.refused().saturating_sub(wrong);
        let others = others.saturating_add(gradients.applied);
        match gradients.applied {
            0 => Self::Nothing,
            _ if wrong > others => Self::Little,
            _ => Self::Enough,
        }
    }

    /// What is wrong, with what to do; none where the run may count as a success.
    pub fn complaint(self) -> Option<&'static str> {
        match self {
            Self::Enough => None,
            Self::Little => Some(
                "the run is over, but more than half of its gradients were wrong: docs/metrics.md says \
                 what each reason means",
            ),
            Self::Nothing => Some(
                "the run is over, but no gradient was applied: its parameters are those that it began \
                 with; docs/metrics.md says what each reason means",
            ),
        }
    }
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
mod tests {
    use super::*;

    fn counts(applied: u64, rejected: &[(&str, u64)]) -> GradientCounts {
        let rejected = rejected
            .iter()
            .map(|(reason, n)| ((*reason).to_owned(), *n));
        GradientCounts {
            applied,
            rejected: rejected.collect(),
        }
    }

    #[test]
    fn a_run_fails_by_what_was_wrong_and_not_by_what_came_late() {
        for (applied, rejected, expected) in [
            (0, &[][..], Learning::Nothing),
            (0, &[("non_finite", 100)], Learning::Nothing),
            (0, &[("stale", 100)], Learning::Nothing),
            (37, &[("non_finite", 1_213)], Learning::Little),
            (
                40,
                &[("non_finite", 30), ("malformed", 20)],
                Learning::Little,
            ),
            (50, &[("non_finite", 50)], Learning::Enough),
            (199, &[("non_finite", 1)], Learning::Enough),
            (39, &[("stale", 61)], Learning::Enough),
            (
                1,
                &[("stale", 9_000), ("late", 900), ("closed", 99)],
                Learning::Enough,
            ),
            (1, &[("wrong_epoch", 3), ("duplicate", 3)], Learning::Enough),
            (u64::MAX, &[("non_finite", u64::MAX)], Learning::Enough),
        ] {
            let found = Learning::of(&counts(applied, rejected));
            assert_eq!(found, expected, "{applied} {rejected:?}");
            assert_eq!(found.complaint().is_none(), expected == Learning::Enough);
        }
    }

    #[test]
    fn the_line_says_how_many_of_how_many_and_why() {
        let line = counts(37, &[("closed", 13), ("late", 0), ("non_finite", 1_200)]).to_string();
        let expected = "1213 of 1250 gradients refused (1200 non_finite, 13 closed)";
        assert_eq!(line, expected);
        assert_eq!(counts(5, &[]).to_string(), "0 of 5 gradients refused");
    }
}
