//! Decides whether a gradient may touch the parameters.

use crate::answers::{Refusal, Verdict};

/// Checks that a gradient has as many elements as there are parameters.
pub(crate) fn check_elements(found: usize, expected: usize) -> Result<(), Refusal> {
    if found == expected {
        return Ok(());
    }
    let detail = format!("the gradient has {found} elements; expected {expected}");
    Err(Refusal::new(Verdict::Malformed, detail))
}

/// Checks by their norm that all values are finite.
pub(crate) fn check_norm(norm: f64) -> Result<(), Refusal> {
    if norm.is_finite() {
        return Ok(());
    }
    let detail = "the gradient has values that are infinite or not a number";
    Err(Refusal::new(Verdict::NonFinite, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::norm::global_norm;

    #[test]
    fn only_finite_values_pass() {
        assert_eq!(check_norm(global_norm(&[2.0, 3.0, 6.0])), Ok(()));
        let refusal = check_norm(global_norm(&[1.0, f32::NAN, 0.0])).unwrap_err();
        assert_eq!(refusal.verdict, Verdict::NonFinite);
    }
}
