//! Linear outputs on top of a body, computed together.

use pulp::Arch;

use super::buffer::Buffer;
use super::dense::Dense;
use super::kernel::Start;
use super::span::Span;

/// One of the network's heads.
#[derive(Debug)]
struct Part {
    /// Which.
    index: usize,
    outputs: usize,
    span: Span,
}

/// The heads that stand on one body.
#[derive(Debug)]
pub(super) struct Heads {
    parts: Vec<Part>,
    features: usize,
    /// All outputs of all heads, `ΣO`.
    outputs: usize,
    dense: Dense,
    /// `[ΣO, F]` and `[ΣO]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    stale: bool,
    /// Outputs, or their gradient, `[N, ΣO]`.
    together: Buffer,
    weight_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
}

impl Heads {
    /// For so many features; of each head, which it is, its outputs, and its parameters.
    pub(super) fn new(features: usize, heads: impl Iterator<Item = (usize, usize, Span)>) -> Self {
        let parts: Vec<Part> = heads
            .map(|(index, outputs, span)| Part {
                index,
                outputs,
                span,
            })
            .collect();
        let outputs = parts.iter().map(|part| part.outputs).sum();
        Self {
            parts,
            features,
            outputs,
            dense: Dense::new(features, outputs, 1.0),
            weight: vec![0.0; outputs * features],
            bias: vec![0.0; outputs],
            stale: true,
            together: Buffer::default(),
            weight_gradient: vec![0.0; outputs * features],
            bias_gradient: vec![0.0; outputs],
        }
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.stale = true;
        self.dense.loaded();
    }

    fn gather(&mut self, parameters: &[f32]) {
        let mut first = 0;
        for part in &self.parts {
            let [weight, bias] = part.span.of(parameters);
            self.weight[first * self.features..][..weight.len()].copy_from_slice(weight);
            self.bias[first..][..bias.len()].copy_from_slice(bias);
            first += part.outputs;
        }
    }

    /// Appends the outputs for features `[N, F]` to those of each head.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        features: &[f32],
        heads: &mut [Vec<f32>],
    ) {
        if self.parts.is_empty() {
            return;
        }
        if std::mem::take(&mut self.stale) {
            self.gather(parameters);
        }
        let rows = features.len() / self.features;
        let outputs = self.together.resize(rows * self.outputs);
        let (weight, bias) = (&self.weight, Some(&self.bias[..]));
        self.dense.forward(arch, weight, bias, features, outputs);
        let mut first = 0;
        for part in &self.parts {
            let rows = outputs.chunks_exact(self.outputs);
            for row in rows {
                heads[part.index].extend_from_slice(&row[first..first + part.outputs]);
            }
            first += part.outputs;
        }
    }

    /// Writes the parameters' gradient, and that of the features `[N, F]`, from one `[N, O]` for each of
    /// the network's heads.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        heads: &[Vec<f32>],
        features: &[f32],
        gradient: &mut [f32],
        features_gradient: &mut [f32],
    ) {
        if self.parts.is_empty() {
            features_gradient.fill(0.0);
            return;
        }
        let rows = features.len() / self.features;
        let together = self.together.resize(rows * self.outputs);
        let mut first = 0;
        for part in &self.parts {
            let from = heads[part.index].chunks_exact(part.outputs);
            for (row, from) in together.chunks_exact_mut(self.outputs).zip(from) {
                row[first..first + part.outputs].copy_from_slice(from);
            }
            first += part.outputs;
        }
        self.dense
            .weight_gradient(arch, together, features, &mut self.weight_gradient);
        Dense::bias_gradient(arch, together, &mut self.bias_gradient);
        self.dense
            .input_gradient(arch, &self.weight, together, Start::Zero, features_gradient);
        self.scatter(gradient);
    }

    fn scatter(&self, gradient: &mut [f32]) {
        let mut first = 0;
        for part in &self.parts {
            let [weight, bias] = part.span.of_mut(gradient);
            weight.copy_from_slice(&self.weight_gradient[first * self.features..][..weight.len()]);
            bias.copy_from_slice(&self.bias_gradient[first..][..bias.len()]);
            first += part.outputs;
        }
    }
}
