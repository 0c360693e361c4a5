use tch::{Kind, Tensor};

/// Sums of rows, `[B, K]` to `[B]`.
pub(super) fn over_last(rows: &Tensor) -> Tensor {
    rows.sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>)
}
