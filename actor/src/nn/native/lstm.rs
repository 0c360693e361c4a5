//! Long short-term memory.

use pulp::Arch;
use troop_common::experience::End;

use super::buffer::Buffer;
use super::cell::{CellBackward, CellForward};
use super::dense::Dense;
use super::kernel::Start;
use super::lstm_pass::{LstmPass, States};
use super::span::Span;
use crate::nn::network;

/// An LSTM's kernels. The state of an environment is output and cell, `[2H]`.
#[derive(Debug)]
pub(super) struct Lstm {
    units: usize,
    on_inputs: Dense,
    on_outputs: Dense,
    /// Those on inputs, and on its own outputs.
    weights: Span,
    biases: Span,
    /// Both biases together, `[4H]`.
    bias: Vec<f32>,
    stale: bool,
    /// `dL/dh` and `dL/dc` behind a step, `[E, H]`.
    behind: [Buffer; 2],
    /// `dL/d` of the gates before their activations, `[N, 4H]`.
    gates: Buffer,
}

impl Lstm {
    /// With the places of its four tensors.
    pub(super) fn new(lstm: network::Lstm, weights: Span, biases: Span) -> Self {
        let gates = 4 * lstm.units;
        Self {
            units: lstm.units,
            on_inputs: Dense::new(lstm.inputs, gates, 1.0),
            on_outputs: Dense::new(lstm.units, gates, 1.0),
            weights,
            biases,
            bias: vec![0.0; gates],
            stale: true,
            behind: Default::default(),
            gates: Buffer::default(),
        }
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.stale = true;
        self.on_inputs.loaded();
        self.on_outputs.loaded();
    }

    /// Adds what it makes of features `[T·E, I]` from these states, with `ends` `[T·E]` (or none has
    /// ended): the step after an end starts from zeros.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        features: &[f32],
        (states, ends): (States<'_>, &[End]),
        pass: &mut LstmPass,
    ) {
        let [on_inputs, on_outputs] = self.weights.of(parameters);
        if std::mem::take(&mut self.stale) {
            let [first, second] = self.biases.of(parameters);
            for (bias, (a, b)) in self.bias.iter_mut().zip(first.iter().zip(second)) {
                *bias = a + b;
            }
        }
        let environments = pass.begin(self.units, states);
        let width = 4 * self.units;
        let inputs = on_inputs.len() / width;
        let first = pass.rows();
        let gates = pass.gates.append(features.len() / inputs * width);
        let bias = Some(&self.bias[..]);
        self.on_inputs
            .forward(arch, on_inputs, bias, features, gates);
        let steps = features.len() / inputs / environments;
        for step in 0..steps {
            let row = first + step * environments;
            match step {
                0 => pass.recall(states),
                _ => pass.carry(&ends[(step - 1) * environments..][..environments]),
            }
            let outputs = &pass.before[0][row * self.units..];
            let gates = &mut pass.gates[row * width..(row + environments) * width];
            self.on_outputs
                .forward(arch, on_outputs, None, outputs, gates);
            let len = environments * self.units;
            let (cells, [outputs, after]) = (&pass.before[1], &mut pass.after);
            arch.dispatch(CellForward {
                units: self.units,
                gates,
                before: &cells[row * self.units..],
                cells: after.append(len),
                squashed: pass.squashed.append(len),
                outputs: outputs.append(len),
            });
        }
    }

    /// Writes the parameters' gradient, and that of the features, from `dL/dh` of all rows `[T·E, H]`.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        (features, ends): (&[f32], &[End]),
        pass: &LstmPass,
        above: &[f32],
        (gradient, below): (&mut [f32], &mut [f32]),
    ) {
        let [on_inputs, on_outputs] = self.weights.of(parameters);
        self.through_time(arch, on_outputs, ends, pass, above);
        let gates = &self.gates;
        self.on_inputs
            .input_gradient(arch, on_inputs, gates, Start::Zero, below);
        let [by_inputs, by_outputs] = self.weights.of_mut(gradient);
        self.on_inputs
            .weight_gradient(arch, gates, features, by_inputs);
        self.on_outputs
            .weight_gradient(arch, gates, &pass.before[0], by_outputs);
        let [first, second] = self.biases.of_mut(gradient);
        Dense::bias_gradient(arch, gates, first);
        second.copy_from_slice(first);
    }

    /// `dL/d` of all gates, from the last step to the first.
    fn through_time(
        &mut self,
        arch: Arch,
        on_outputs: &[f32],
        ends: &[End],
        pass: &LstmPass,
        above: &[f32],
    ) {
        let len = pass.environments * self.units;
        self.gates.resize(4 * above.len());
        self.behind
            .iter_mut()
            .for_each(|behind| behind.resize(len).fill(0.0));
        for first in (0..above.len()).step_by(len.max(1)).rev() {
            let rows = first / self.units..first / self.units + pass.environments;
            self.forget(ends.get(rows).unwrap_or_default());
            let range = first..first + len;
            let gates = &mut self.gates[4 * first..4 * (first + len)];
            let [outputs, cells] = &mut self.behind;
            arch.dispatch(CellBackward {
                units: self.units,
                gates: &pass.gates[4 * first..],
                before: &pass.before[1][range.clone()],
                squashed: &pass.squashed[range.clone()],
                above: &above[range],
                outputs,
                cells,
                gradient: gates,
            });
            if first > 0 {
                let start = Start::Zero;
                self.on_outputs
                    .input_gradient(arch, on_outputs, gates, start, outputs);
            }
        }
    }

    /// Nothing comes back across an end.
    fn forget(&mut self, ends: &[End]) {
        for behind in &mut self.behind {
            for (behind, end) in behind.chunks_exact_mut(self.units).zip(ends) {
                if *end != End::Continues {
                    behind.fill(0.0);
                }
            }
        }
    }
}
