//! Eligibility traces within a segment: the backward view.

use troop_common::experience::End;

/// What errors `δ_t` `[T·E]` hand back along accumulating traces `z_t = decay · z_{t−1} + ∇x_t` (Sutton and
/// Barto 2018, eq. 12.5), which begin at 0 with the segment and with each episode: the weights `w_t` for
/// which `Σ_t δ_t z_t = Σ_t w_t ∇x_t`. An error reaches what came `k` steps before it with `decay^k`.
pub(super) fn hand_back(
    delta_t: &[f32],
    ends: &[End],
    environments: usize,
    decay: f64,
) -> Vec<f64> {
    let mut w_t = vec![0.0; delta_t.len()];
    for row in (0..delta_t.len()).rev() {
        let behind = match (w_t.get(row + environments), ends[row]) {
            (Some(behind), End::Continues) => decay * behind,
            _ => 0.0,
        };
        w_t[row] = f64::from(delta_t[row]) + behind;
    }
    w_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use rand::RngExt;

    /// Slow and from the definition: a trace for each row's own gradient.
    fn slow(delta_t: &[f32], ends: &[End], environments: usize, decay: f64, of: usize) -> f64 {
        let (mut z, mut sum) = (0.0, 0.0);
        for row in (of % environments..delta_t.len()).step_by(environments) {
            z = decay * z + f64::from(u8::from(row == of));
            sum += f64::from(delta_t[row]) * z;
            if ends[row] != End::Continues {
                z = 0.0;
            }
        }
        sum
    }

    #[test]
    fn it_is_what_traces_sum_up_to() {
        let mut rng = seeded(1);
        for environments in [1, 3] {
            let rows = 7 * environments;
            let delta_t: Vec<f32> = (0..rows).map(|_| rng.random_range(-1.0..1.0)).collect();
            let all = [
                End::Continues,
                End::Continues,
                End::Terminated,
                End::Truncated,
            ];
            let ends: Vec<End> = (0..rows).map(|_| all[rng.random_range(0..4)]).collect();
            let found = hand_back(&delta_t, &ends, environments, 0.7);
            for (row, w) in found.iter().enumerate() {
                let expected = slow(&delta_t, &ends, environments, 0.7, row);
                assert!((w - expected).abs() < 1e-9, "{row}: {w} for {expected}");
            }
        }
    }
}
