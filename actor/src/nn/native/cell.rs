//! What happens inside an LSTM's cells: i, f, g and o are its gates, in torch's order.

use pulp::{Simd, WithSimd};

use super::kernel::{mul_add, sigmoid, tanh};

/// `c = f c + i g` and `h = o tanh c`.
pub(super) struct CellForward<'a> {
    pub(super) units: usize,
    /// Before their activations, then after them, `[E, 4H]`.
    pub(super) gates: &'a mut [f32],
    /// Cells before the step, `[E, H]`.
    pub(super) before: &'a [f32],
    pub(super) cells: &'a mut [f32],
    /// tanh of the cells.
    pub(super) squashed: &'a mut [f32],
    pub(super) outputs: &'a mut [f32],
}

impl WithSimd for CellForward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let units = self.units;
        for (e, gates) in self.gates.chunks_exact_mut(4 * units).enumerate() {
            let range = e * units..(e + 1) * units;
            let (input_forget, rest) = gates.split_at_mut(2 * units);
            let (new, output) = rest.split_at_mut(units);
            for gate in input_forget.iter_mut() {
                *gate = sigmoid::<S>(*gate);
            }
            for gate in output.iter_mut() {
                *gate = sigmoid::<S>(*gate);
            }
            for gate in new.iter_mut() {
                *gate = tanh::<S>(*gate);
            }
            let (input, forget) = input_forget.split_at(units);
            let before = &self.before[range.clone()];
            let cells = &mut self.cells[range.clone()];
            for unit in 0..units {
                let kept = forget[unit] * before[unit];
                cells[unit] = mul_add::<S>(input[unit], new[unit], kept);
            }
            let squashed = &mut self.squashed[range.clone()];
            for (squashed, cell) in squashed.iter_mut().zip(cells) {
                *squashed = tanh::<S>(*cell);
            }
            let outputs = self.outputs[range].iter_mut();
            for (h, (o, squashed)) in outputs.zip(output.iter().zip(squashed)) {
                *h = *o * *squashed;
            }
        }
    }
}

/// The way back through one step.
pub(super) struct CellBackward<'a> {
    pub(super) units: usize,
    /// After their activations, `[E, 4H]`.
    pub(super) gates: &'a [f32],
    /// Cells before the step, `[E, H]`, as all that follows.
    pub(super) before: &'a [f32],
    /// tanh of the cells after it.
    pub(super) squashed: &'a [f32],
    /// `dL/dh` of this step's outputs themselves.
    pub(super) above: &'a [f32],
    /// What came back to the outputs from the next step.
    pub(super) outputs: &'a [f32],
    /// What came back to the cells; then what goes back to those before.
    pub(super) cells: &'a mut [f32],
    /// `dL/d` of the gates before their activations, `[E, 4H]`.
    pub(super) gradient: &'a mut [f32],
}

impl WithSimd for CellBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let units = self.units;
        for (e, gradient) in self.gradient.chunks_exact_mut(4 * units).enumerate() {
            let range = e * units..(e + 1) * units;
            let gates = &self.gates[4 * e * units..][..4 * units];
            let [i, f, g, o] = std::array::from_fn(|gate| &gates[gate * units..][..units]);
            let (first, last) = gradient.split_at_mut(2 * units);
            let ((di, df), (dg, do_)) = (first.split_at_mut(units), last.split_at_mut(units));
            let (before, squashed) = (&self.before[range.clone()], &self.squashed[range.clone()]);
            let (above, outputs) = (&self.above[range.clone()], &self.outputs[range.clone()]);
            let cells = &mut self.cells[range];
            for unit in 0..units {
                let dh = above[unit] + outputs[unit];
                let slope = 1.0 - squashed[unit] * squashed[unit];
                let dc = mul_add::<S>(dh * o[unit], slope, cells[unit]);
                di[unit] = dc * g[unit] * i[unit] * (1.0 - i[unit]);
                df[unit] = dc * before[unit] * f[unit] * (1.0 - f[unit]);
                dg[unit] = dc * i[unit] * (1.0 - g[unit] * g[unit]);
                do_[unit] = dh * squashed[unit] * o[unit] * (1.0 - o[unit]);
                cells[unit] = dc * f[unit];
            }
        }
    }
}
