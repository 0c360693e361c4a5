use troop_common::proto::v1;

/// How far the norm of a slice may be above that of the whole: sums in another order differ by rounding.
const ROUNDING: f64 = 1e-9;

/// The norm of the whole gradient of which a shard has a slice with norm `own`, as its worker said: it decides how far the
/// step is scaled, at each of `shards` alike. One learner alone sees the whole.
///
/// # Errors
/// If the worker said nothing, or what cannot be: else values that are not finite could come with a norm that is.
pub(super) fn whole_norm(
    own: f64,
    slice: Option<v1::Slice>,
    shards: usize,
) -> Result<f64, &'static str> {
    if shards == 1 {
        return Ok(own);
    }
    let Some(v1::Slice { norm, .. }) = slice else {
        return Err("the gradient's last chunk lacks `slice`, which every shard needs");
    };
    let fits = own <= norm * (1.0 + ROUNDING);
    if norm.is_finite() && !fits {
        return Err("the norm in `slice` is below that of the slice itself");
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(own: f64, norm: f64) -> Result<f64, &'static str> {
        whole_norm(own, Some(v1::Slice { norm, env_steps: 0 }), 2)
    }

    #[test]
    fn one_learner_believes_itself_and_a_shard_its_worker() {
        assert_eq!(whole_norm(3.0, None, 1), Ok(3.0));
        assert_eq!(said(3.0, 5.0), Ok(5.0));
        assert_eq!(said(5.0 * (1.0 + 1e-12), 5.0), Ok(5.0));
        assert!(said(3.0, f64::NAN).unwrap().is_nan(), "it is elsewhere");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(whole_norm(3.0, None, 2).is_err());
        assert!(said(5.1, 5.0).is_err());
        assert!(said(f64::NAN, 5.0).is_err());
        assert!(said(f64::INFINITY, 5.0).is_err());
    }
}
