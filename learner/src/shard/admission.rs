//! Decides whether a gradient may touch the parameters.

use troop_common::proto::v1::Verdict;

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

/// Every verdict that refuses a gradient.
pub(crate) const REFUSALS: [Verdict; 7] = [
    Verdict::Stale,
    Verdict::NonFinite,
    Verdict::Malformed,
    Verdict::Duplicate,
    Verdict::WrongEpoch,
    Verdict::Closed,
    Verdict::Late,
];

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
}

impl Admission {
    /// Checks for which life of the run a gradient was computed, and that its sequence number is
    /// above `last_sequence`, the session's.
    pub(crate) fn check_origin(
        self,
        epoch: u64,
        sequence: u64,
        last_sequence: u64,
    ) -> Result<(), Refusal> {
        if epoch != self.epoch {
            let detail = format!("computed in epoch {epoch}; this is epoch {}", self.epoch);
            return Err(Refusal::new(Verdict::WrongEpoch, detail));
        }
        if sequence <= last_sequence {
            let detail = format!("sequence {sequence} is not above the last one, {last_sequence}");
            return Err(Refusal::new(Verdict::Duplicate, detail));
        }
        Ok(())
    }

    /// Checks by their norm that all values are finite.
    pub(crate) fn check_norm(norm: f64) -> Result<(), Refusal> {
        if norm.is_finite() {
            Ok(())
        } else {
            Err(Refusal::new(
                Verdict::NonFinite,
                "the gradient has values that are infinite or not a number",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::norm::global_norm;

    #[test]
    fn only_this_life_and_new_sequence_numbers_pass() {
        let check = |epoch, sequence| Admission { epoch: 2 }.check_origin(epoch, sequence, 4);
        assert_eq!(check(2, 5), Ok(()));
        let verdict = |epoch, sequence| check(epoch, sequence).unwrap_err().verdict;
        assert_eq!(verdict(2, 4), Verdict::Duplicate);
        assert_eq!(verdict(1, 5), Verdict::WrongEpoch);
        assert_eq!(verdict(3, 5), Verdict::WrongEpoch);
    }

    #[test]
    fn only_finite_values_pass() {
        assert_eq!(Admission::check_norm(global_norm(&[2.0, 3.0, 6.0])), Ok(()));
        let refusal = Admission::check_norm(global_norm(&[1.0, f32::NAN, 0.0])).unwrap_err();
        assert_eq!(refusal.verdict, Verdict::NonFinite);
    }
}
