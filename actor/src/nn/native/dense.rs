//! A linear layer: `x W' + b`.

use pulp::Arch;

use super::buffer::Buffer;
use super::kernel::{
    Columns, Placement, Product, Right, Rows, Start, multiply, pack_columns, packed_len, sum_rows,
};

/// Weights with more elements are not rewritten after each load: the inputs are, for each product.
const LARGEST_PACKED: usize = 1 << 16;

/// A linear layer's shape, and its weight `[O, I]` as its products need it.
#[derive(Debug)]
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    /// What inputs are multiplied by: the few weights are, instead of the many inputs.
    scale: f32,
    /// The weight, if it is small; the inputs of the last product otherwise.
    packed: Buffer,
    packs_weight: bool,
    /// Whether the weight was loaded since it was packed.
    stale: bool,
}

impl Dense {
    pub(super) fn new(inputs: usize, outputs: usize, scale: f32) -> Self {
        Self {
            inputs,
            outputs,
            scale,
            packed: Buffer::default(),
            packs_weight: scale != 1.0 || inputs * outputs <= LARGEST_PACKED,
            stale: true,
        }
    }

    /// The weight was replaced.
    pub(super) fn loaded(&mut self) {
        self.stale = true;
    }

    /// Rows `[N, I]` to `[N, O]`, from a bias, or added to what stands there.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        weight: &[f32],
        bias: Option<&[f32]>,
        inputs: &[f32],
        outputs: &mut [f32],
    ) {
        if self.packs_weight {
            self.with_packed_weight(arch, weight, bias, inputs, outputs);
        } else {
            self.with_packed_inputs(arch, weight, bias, inputs, outputs);
        }
    }

    fn with_packed_weight(
        &mut self,
        arch: Arch,
        weight: &[f32],
        bias: Option<&[f32]>,
        inputs: &[f32],
        outputs: &mut [f32],
    ) {
        if std::mem::take(&mut self.stale) {
            let packed = self.packed.resize(packed_len(self.inputs, self.outputs));
            pack_columns(arch, weight, self.inputs, self.scale, packed);
        }
        let product = Product {
            left: Rows {
                values: inputs,
                stride: self.inputs,
            },
            right: Right::Packed(&self.packed),
            start: bias.map_or(Start::Output, Start::ForColumns),
            shape: [outputs.len() / self.outputs, self.inputs, self.outputs],
            placement: Placement::Rows(self.outputs),
            output: outputs,
        };
        multiply(arch, product);
    }

    /// The same sums; a row of outputs is a column of the product.
    fn with_packed_inputs(
        &mut self,
        arch: Arch,
        weight: &[f32],
        bias: Option<&[f32]>,
        inputs: &[f32],
        outputs: &mut [f32],
    ) {
        let rows = outputs.len() / self.outputs;
        let packed = self.packed.resize(packed_len(self.inputs, rows));
        pack_columns(arch, inputs, self.inputs, 1.0, packed);
        let product = Product {
            left: Rows {
                values: weight,
                stride: self.inputs,
            },
            right: Right::Packed(packed),
            start: bias.map_or(Start::Output, Start::ForRows),
            shape: [self.outputs, self.inputs, rows],
            placement: Placement::Columns(self.outputs),
            output: outputs,
        };
        multiply(arch, product);
    }

    /// `dL/dW` from `dL/dy` `[N, O]` and `x` `[N, I]`.
    pub(super) fn weight_gradient(
        &self,
        arch: Arch,
        outputs: &[f32],
        inputs: &[f32],
        gradient: &mut [f32],
    ) {
        let rows = outputs.len() / self.outputs;
        let [across, along] = [(outputs, self.outputs), (inputs, self.inputs)];
        // Whole vectors are faster: of the axis that has them.
        let turned = !self.inputs.is_multiple_of(16) && self.outputs >= self.inputs.min(16);
        let [left, right] = if turned {
            [along, across]
        } else {
            [across, along]
        };
        let product = Product {
            left: Columns {
                values: left.0,
                start: |row| row * left.1,
            },
            right: Right::Rows(right.0, right.1),
            start: Start::Zero,
            shape: [left.1, rows, right.1],
            placement: match turned {
                true => Placement::Columns(self.inputs),
                false => Placement::Rows(self.inputs),
            },
            output: &mut *gradient,
        };
        multiply(arch, product);
        if self.scale != 1.0 {
            gradient.iter_mut().for_each(|g| *g *= self.scale);
        }
    }

    /// `dL/db` from `dL/dy` `[N, O]`.
    pub(super) fn bias_gradient(arch: Arch, outputs: &[f32], gradient: &mut [f32]) {
        gradient.fill(0.0);
        sum_rows(arch, outputs, gradient);
    }

    /// `dL/dx` `[N, I]` from `dL/dy` `[N, O]`: in the place of what stands there, or added to it.
    pub(super) fn input_gradient(
        &self,
        arch: Arch,
        weight: &[f32],
        outputs: &[f32],
        start: Start<'_>,
        gradient: &mut [f32],
    ) {
        let product = Product {
            left: Rows {
                values: outputs,
                stride: self.outputs,
            },
            right: Right::Rows(weight, self.inputs),
            start,
            shape: [outputs.len() / self.outputs, self.outputs, self.inputs],
            placement: Placement::Rows(self.inputs),
            output: gradient,
        };
        multiply(arch, product);
    }
}
