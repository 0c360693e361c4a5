//! Eligibility traces within a segment: the backward view.

use tch::Tensor;

use troop_common::experience::End;

/// `Z_t = decay · Z_{t−1} + x_t` for `x_t` `[T·E]`, from 0 at the beginning of the segment and of each
/// episode. Its gradient is the accumulating trace `z_t = decay · z_{t−1} + ∇x_t` (Sutton and Barto
/// 2018, eq. 12.5), so that `Σ_t δ_t Z_t` hands each error back to all that came before it.
pub(super) fn accumulate(x_t: &Tensor, ends: &[End], environments: usize, decay: f64) -> Tensor {
    let rows = x_t.view([-1, environments as i64]);
    let mut z_t = rows.get(0);
    let mut trace = vec![z_t.shallow_clone()];
    for (t, ends_tm1) in (1..rows.size()[0]).zip(ends.chunks_exact(environments)) {
        let decays: Vec<f64> = ends_tm1
            .iter()
            .map(|end| if *end == End::Continues { decay } else { 0.0 })
            .collect();
        z_t = z_t * Tensor::from_slice(&decays).to_kind(x_t.kind()) + rows.get(t);
        trace.push(z_t.shallow_clone());
    }
    Tensor::cat(&trace, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::to_vec;

    #[test]
    fn a_trace_fades_and_begins_anew_with_each_episode() {
        let (c, end) = (End::Continues, End::Terminated);
        let ends = [c, c, c, end, c, c];
        let x = Tensor::from_slice(&[1.0_f32, 10.0, 2.0, 20.0, 4.0, 40.0]);
        assert_eq!(
            to_vec(&accumulate(&x, &ends, 2, 0.5)),
            [1.0, 10.0, 2.5, 25.0, 5.25, 40.0]
        );
    }
}
