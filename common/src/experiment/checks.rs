/// Whether a value is a number that can scale something.
pub(super) fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
