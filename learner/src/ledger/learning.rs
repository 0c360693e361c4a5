//! Whether a run has learnt from what its workers sent.

use super::gradient_counts::GradientCounts;
use crate::answers::Verdict;

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
        let wrong = |verdict: Verdict| gradients.rejected.get(verdict.name()).copied();
        let wrong: u64 = WRONG.into_iter().filter_map(wrong).sum();
        let others = gradients.refused().saturating_sub(wrong);
        let others = others.saturating_add(gradients.applied);
        match gradients.applied {
            0 => Self::Nothing,
            _ if wrong > others => Self::Little,
            _ => Self::Enough,
        }
    }

    /// What is wrong, with what to do; none if the run may count as a success.
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = Learning::of(&GradientCounts::of(applied, rejected));
            assert_eq!(found, expected, "{applied} {rejected:?}");
            assert_eq!(found.complaint().is_none(), expected == Learning::Enough);
        }
    }
}
