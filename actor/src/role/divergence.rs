//! Losses that are no numbers any more.

use troop_common::proto::v1::LossTerm;

/// So many losses in a row that are not finite do not become finite again.
const LIMIT: u32 = 100;

/// Losses that were not finite, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Divergence {
    in_a_row: u32,
}

/// What a worker ends with that learns nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the loss `{term}` was not finite {LIMIT} times in a row: the parameters have diverged, and what is computed \
     from them is refused; a lower optimizer.learning_rate, optimizer.max_gradient_norm or environment.reward_clip \
     may help"
)]
pub struct Diverged {
    /// The loss.
    term: String,
}

impl Divergence {
    /// Looks at the terms of a loss; whether all of them are finite.
    ///
    /// # Errors
    /// If they were not for too often.
    pub(crate) fn look(&mut self, losses: &[LossTerm]) -> Result<bool, Diverged> {
        let Some(wrong) = losses.iter().find(|loss| !loss.value.is_finite()) else {
            self.in_a_row = 0;
            return Ok(true);
        };
        self.in_a_row += 1;
        if self.in_a_row == 1 {
            tracing::warn!(
                term = wrong.term,
                value = wrong.value,
                "a loss is not finite"
            );
        }
        if self.in_a_row < LIMIT {
            return Ok(false);
        }
        Err(Diverged {
            term: wrong.term.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_in_a_row_are_an_end_and_a_finite_one_between_is_a_new_beginning() {
        let losses = |value| {
            let term = |term: &str, value| LossTerm {
                term: term.into(),
                value,
            };
            [term("policy", 1.0), term("value", value)]
        };
        let mut divergence = Divergence::default();
        for _ in 0..3 {
            for _ in 1..LIMIT {
                assert_eq!(divergence.look(&losses(f64::NAN)), Ok(false));
            }
            assert_eq!(divergence.look(&losses(2.0)), Ok(true));
        }
        let found = (0..LIMIT).find_map(|_| divergence.look(&losses(f64::INFINITY)).err());
        assert!(found.unwrap().to_string().contains("`value`"));
    }
}
