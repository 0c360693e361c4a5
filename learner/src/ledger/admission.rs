//! Decides whether a gradient is one that this life of the run waits for.

use crate::answers::{Refusal, Verdict};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_life_and_new_sequence_numbers_pass() {
        let check = |epoch, sequence| Admission { epoch: 2 }.check_origin(epoch, sequence, 4);
        assert_eq!(check(2, 5), Ok(()));
        let verdict = |epoch, sequence| check(epoch, sequence).unwrap_err().verdict;
        assert_eq!(verdict(2, 4), Verdict::Duplicate);
        assert_eq!(verdict(1, 5), Verdict::WrongEpoch);
        assert_eq!(verdict(3, 5), Verdict::WrongEpoch);
    }
}
