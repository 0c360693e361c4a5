//! Decides whether a gradient may touch the parameters.

use troop_common::proto::v1::Verdict;

use crate::gradient::Gradient;

/// A refusal: what a worker is told and what the counters call it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            detail: detail.into(),
        }
    }
}

/// The bounded label of a verdict in metrics and summaries.
pub(crate) fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified => "unspecified",
        Verdict::Applied => "applied",
        Verdict::Stale => "stale",
        Verdict::NonFinite => "non_finite",
        Verdict::Malformed => "malformed",
        Verdict::Duplicate => "duplicate",
        Verdict::WrongEpoch => "wrong_epoch",
        Verdict::Closed => "closed",
        Verdict::Late => "late",
    }
}

/// What a gradient must agree with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub(crate) epoch: u64,
    pub(crate) elements: usize,
    pub(crate) max_staleness: u64,
}

impl Admission {
    /// Checks who sent it and for which life of the run. `last_sequence` is the session's.
    pub(crate) fn check_origin(
        &self,
        gradient: &Gradient<'_>,
        last_sequence: u64,
    ) -> Result<(), Refusal> {
        if gradient.epoch != self.epoch {
            let detail = format!(
                "computed in epoch {}; this is epoch {}",
                gradient.epoch, self.epoch
            );
            return Err(Refusal::new(Verdict::WrongEpoch, detail));
        }
        if gradient.sequence <= last_sequence {
            let detail = format!(
                "sequence {} is not above the last one, {last_sequence}",
                gradient.sequence
            );
            return Err(Refusal::new(Verdict::Duplicate, detail));
        }
        Ok(())
    }

    /// Checks the values; gives their norm.
    pub(crate) fn check_values(&self, gradient: &Gradient<'_>) -> Result<f64, Refusal> {
        if gradient.values.len() != self.elements {
            let detail = format!(
                "{} elements; expected {}, the layout's",
                gradient.values.len(),
                self.elements
            );
            return Err(Refusal::new(Verdict::Malformed, detail));
        }
        let norm = gradient.norm();
        if norm.is_finite() {
            Ok(norm)
        } else {
            Err(Refusal::new(
                Verdict::NonFinite,
                "the gradient has values that are infinite or not a number",
            ))
        }
    }

    /// Checks its age at the moment of applying; gives its staleness in updates.
    pub(crate) fn check_staleness(
        &self,
        gradient: &Gradient<'_>,
        version: u64,
    ) -> Result<u64, Refusal> {
        let Some(staleness) = version.checked_sub(gradient.version) else {
            let detail = format!(
                "computed on version {}; the newest is {version}",
                gradient.version
            );
            return Err(Refusal::new(Verdict::Malformed, detail));
        };
        if staleness > self.max_staleness {
            let detail = format!(
                "{staleness} updates old; at most {} are accepted",
                self.max_staleness
            );
            return Err(Refusal::new(Verdict::Stale, detail));
        }
        Ok(staleness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMISSION: Admission = Admission {
        epoch: 2,
        elements: 3,
        max_staleness: 10,
    };

    fn gradient(values: &[f32]) -> Gradient<'_> {
        Gradient {
            sequence: 5,
            epoch: 2,
            version: 100,
            values,
        }
    }

    #[test]
    fn only_this_life_and_new_sequence_numbers_pass() {
        let good = gradient(&[0.0; 3]);
        assert_eq!(ADMISSION.check_origin(&good, 4), Ok(()));
        let verdict = |gradient, last| ADMISSION.check_origin(&gradient, last).unwrap_err().verdict;
        assert_eq!(verdict(good, 5), Verdict::Duplicate);
        assert_eq!(
            verdict(Gradient { epoch: 1, ..good }, 4),
            Verdict::WrongEpoch
        );
        assert_eq!(
            verdict(Gradient { epoch: 3, ..good }, 4),
            Verdict::WrongEpoch
        );
    }

    #[test]
    fn only_finite_vectors_of_the_layouts_length_pass() {
        assert_eq!(ADMISSION.check_values(&gradient(&[2.0, 3.0, 6.0])), Ok(7.0));
        let verdict = |values: &[f32]| {
            ADMISSION
                .check_values(&gradient(values))
                .unwrap_err()
                .verdict
        };
        assert_eq!(verdict(&[1.0; 2]), Verdict::Malformed);
        assert_eq!(verdict(&[1.0, f32::NAN, 0.0]), Verdict::NonFinite);
    }

    #[test]
    fn staleness_is_bounded_and_never_negative() {
        let check = |version| ADMISSION.check_staleness(&gradient(&[]), version);
        assert_eq!(check(100), Ok(0));
        assert_eq!(check(110), Ok(10));
        assert_eq!(check(111).unwrap_err().verdict, Verdict::Stale);
        assert_eq!(check(99).unwrap_err().verdict, Verdict::Malformed);
    }
}
