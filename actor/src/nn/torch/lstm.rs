//! Long short-term memory, with PyTorch's parameters and kernel.

use tch::{Kind, Tensor};
use troop_common::experience::End;

use crate::nn::network::Lstm;

/// What came out of an LSTM over a segment.
pub(super) struct Unrolled {
    /// `[T·E, H]`
    pub(super) outputs: Tensor,
    /// After the last step, zeros where it ended an episode. `[E, 2H]`.
    pub(super) last: Tensor,
    /// After each step that truncated an episode, in their order. `[F, 2H]`.
    pub(super) cut: Tensor,
}

/// Goes through `[T·E, I]` from the state `[E, 2H]`, with `ends` `[T, E]`: the step after an end
/// starts from zeros. Gradients flow through all of it, but not across an end.
pub(super) fn unroll(
    lstm: Lstm,
    parameters: &[Tensor],
    inputs: &Tensor,
    initial: &Tensor,
    ends: &[End],
) -> Unrolled {
    let [w_ih, w_hh, b_ih, b_hh] = parameters else {
        panic!("an LSTM has four tensors, not {}", parameters.len())
    };
    let (environments, units) = (initial.size()[0], lstm.units as i64);
    let steps = inputs.size()[0] / environments;
    let inputs = inputs.view([steps, environments, lstm.inputs as i64]);
    let mut state = initial.to_kind(inputs.kind());
    let mut outputs = Vec::new();
    let mut cut = vec![Tensor::zeros(
        [0, 2 * units],
        (inputs.kind(), inputs.device()),
    )];
    for (t, ends) in (0..steps).zip(ends.chunks_exact(environments as usize)) {
        let hidden = [state.narrow(1, 0, units), state.narrow(1, units, units)];
        let (h, c) = inputs.get(t).lstm_cell(
            &[&hidden[0], &hidden[1]],
            w_ih,
            w_hh,
            Some(b_ih),
            Some(b_hh),
        );
        state = Tensor::cat(&[&h, &c], 1);
        outputs.push(h);
        if let Some((keep, truncated)) = breaks(ends, state.kind()) {
            cut.push(state.index_select(0, &truncated));
            // Not in place: the way back needs the state as it was.
            state = &state * keep;
        }
    }
    Unrolled {
        outputs: Tensor::cat(&outputs, 0),
        last: state,
        cut: Tensor::cat(&cut, 0),
    }
}

/// Where episodes ended with a step: 1 for those that go on, `[E, 1]`, and which were truncated.
fn breaks(ends: &[End], kind: Kind) -> Option<(Tensor, Tensor)> {
    if ends.iter().all(|end| *end == End::Continues) {
        return None;
    }
    let keep: Vec<f32> = ends
        .iter()
        .map(|end| f32::from(u8::from(*end == End::Continues)))
        .collect();
    let truncated: Vec<i64> = (0..)
        .zip(ends)
        .filter_map(|(e, end)| (*end == End::Truncated).then_some(e))
        .collect();
    Some((
        Tensor::from_slice(&keep).unsqueeze(-1).to_kind(kind),
        Tensor::from_slice(&truncated),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::torch::tensors::to_vec;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const LAYER: Lstm = Lstm {
        inputs: 3,
        units: 2,
    };

    fn random(shape: &[i64], rng: &mut ChaCha8Rng) -> Tensor {
        let count = shape.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_slice(&values).view(shape)
    }

    fn parameters(rng: &mut ChaCha8Rng) -> Vec<Tensor> {
        [vec![8, 3], vec![8, 2], vec![8], vec![8]]
            .map(|shape: Vec<i64>| random(&shape, rng))
            .into()
    }

    /// The kernel behind `torch.nn.LSTM`, with the same tensors.
    #[test]
    fn it_is_torchs_lstm() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (inputs, parameters) = (random(&[4, 5, 3], &mut rng), parameters(&mut rng));
        let (h, c) = (random(&[1, 5, 2], &mut rng), random(&[1, 5, 2], &mut rng));
        let initial = Tensor::cat(&[h.squeeze_dim(0), c.squeeze_dim(0)], 1);
        let (outputs, h, c) = inputs.lstm(&[h, c], &parameters, true, 1, 0.0, false, false, false);
        let ends = [End::Continues; 20];
        let found = unroll(LAYER, &parameters, &inputs.view([20, 3]), &initial, &ends);
        let close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-5, 1e-6, false);
        assert!(close(&found.outputs, &outputs.view([20, 2])));
        let last = Tensor::cat(&[h.squeeze_dim(0), c.squeeze_dim(0)], 1);
        assert!(close(&found.last, &last));
        assert_eq!(found.cut.size(), [0, 4]);
    }

    /// Slow and from the definition, for one environment after the other.
    fn slow(
        parameters: &[Vec<f32>],
        inputs: &[f32],
        initial: &[f32],
        ends: &[End],
        e: usize,
    ) -> Vec<f32> {
        let (environments, sigmoid) = (initial.len() / 4, |x: f32| 1.0 / (1.0 + (-x).exp()));
        let (mut h, mut c) = (
            initial[e * 4..][..2].to_vec(),
            initial[e * 4 + 2..][..2].to_vec(),
        );
        let mut outputs = Vec::new();
        for row in (e..ends.len()).step_by(environments) {
            let gate = |g: usize, unit: usize, h: &[f32]| {
                let k = g * 2 + unit;
                let x: f32 = (0..3)
                    .map(|i| parameters[0][k * 3 + i] * inputs[row * 3 + i])
                    .sum();
                let back: f32 = (0..2).map(|i| parameters[1][k * 2 + i] * h[i]).sum();
                x + back + parameters[2][k] + parameters[3][k]
            };
            let before = h.clone();
            for unit in 0..2 {
                let at = |g| gate(g, unit, &before);
                c[unit] = sigmoid(at(1)) * c[unit] + sigmoid(at(0)) * at(2).tanh();
                h[unit] = sigmoid(at(3)) * c[unit].tanh();
            }
            outputs.extend(&h);
            if ends[row] != End::Continues {
                (h, c) = (vec![0.0; 2], vec![0.0; 2]);
            }
        }
        outputs
    }

    #[test]
    fn it_forgets_at_ends_and_keeps_the_state_of_cut_episodes() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (inputs, parameters) = (random(&[8, 3], &mut rng), parameters(&mut rng));
        let initial = random(&[2, 4], &mut rng);
        let mut ends = [End::Continues; 8];
        (ends[2], ends[3], ends[6]) = (End::Truncated, End::Terminated, End::Truncated);
        let found = unroll(LAYER, &parameters, &inputs, &initial, &ends);
        let outputs = to_vec(&found.outputs);
        let numbers: Vec<Vec<f32>> = parameters.iter().map(to_vec).collect();
        for e in 0..2 {
            let expected = slow(&numbers, &to_vec(&inputs), &to_vec(&initial), &ends, e);
            for (t, expected) in expected.chunks_exact(2).enumerate() {
                for (unit, expected) in expected.iter().enumerate() {
                    let found = outputs[(t * 2 + e) * 2 + unit];
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{e} {t}: {found} for {expected}"
                    );
                }
            }
        }
        // The output is the first half of the state: what was cut is what had just come out.
        let cut = to_vec(&found.cut);
        assert_eq!([&cut[..2], &cut[4..6]], [&outputs[4..6], &outputs[12..14]]);
        let last = to_vec(&found.last);
        assert_eq!((&last[..4], &last[4..6]), (&[0.0; 4][..], &outputs[14..16]));
    }
}
