//! What tests of networks share.

use super::native::reference;
use super::{Head, HeadKind, Input, ModelBackend, Network};

/// All that compute a network here.
pub(crate) const BACKENDS: &[ModelBackend] = &[
    ModelBackend::Native,
    #[cfg(feature = "torch")]
    ModelBackend::Torch,
];

/// A policy's head, one that stands on nothing, and a value's.
pub(crate) const HEADS: [Head; 3] = [
    Head {
        name: "policy",
        outputs: 6,
        gain: 0.01,
        kind: HeadKind::Acts,
    },
    Head {
        name: "free",
        outputs: 2,
        gain: 1.0,
        kind: HeadKind::Free { initial: -0.5 },
    },
    Head {
        name: "value",
        outputs: 1,
        gain: 1.0,
        kind: HeadKind::Judges,
    },
];

/// Compares a gradient at outputs, `[N, O]` each, with central differences of the loss, which is computed in
/// double precision from outputs in single precision, `step` to either side: a small one, or for losses that are
/// quadratic, any.
pub(crate) fn assert_output_gradient(
    outputs: &[Vec<f32>],
    gradients: &[Vec<f32>],
    step: f32,
    mut loss: impl FnMut(&[Vec<f32>]) -> f64,
) {
    assert_eq!(outputs.len(), gradients.len(), "a gradient for each head");
    let mut shifted = outputs.to_vec();
    for (head, gradient) in gradients.iter().enumerate() {
        assert_eq!(outputs[head].len(), gradient.len(), "head {head}");
        for (i, exact) in gradient.iter().enumerate() {
            let value = outputs[head][i];
            let (high, low) = (value + step, value - step);
            shifted[head][i] = high;
            let above = loss(&shifted);
            shifted[head][i] = low;
            let below = loss(&shifted);
            shifted[head][i] = value;
            let numeric = (above - below) / (f64::from(high) - f64::from(low));
            let exact = f64::from(*exact);
            assert!(
                (numeric - exact).abs() < 1e-5 * (1.0 + exact.abs()),
                "head {head}, output {i}: {numeric} for {exact}"
            );
        }
    }
}

/// What a network's heads make of rows by definition, in double precision, `[N, O]` each.
pub(crate) fn reference_heads(
    network: &Network,
    parameters: &[f64],
    input: &Input<'_>,
) -> Vec<Vec<f64>> {
    reference::forward(network, parameters, input, &[]).0.heads
}

/// One element of a loss's gradient, by central differences.
pub(crate) fn slope(loss: impl Fn(&[f64]) -> f64, parameters: &[f64], index: usize) -> f64 {
    reference::slope(loss, parameters, index)
}
