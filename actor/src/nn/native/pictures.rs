//! A body's convolutions, one after the other, and what stands behind them.

use std::ops::Range;

use pulp::Arch;
use troop_common::experiment::Activation;

use super::buffer::Buffer;
use super::convolution::{Convolution, Order};
use super::kernel::{Activate, Elements, derivative, transpose, widen};
use super::observed::Observed;
use super::span::Span;
use super::spatial_softmax::SpatialSoftmax;
use crate::nn::network;

/// Convolutions, and what makes one row of their last picture. A row is in torch's order, `[C, H, W]`.
#[derive(Debug)]
pub(super) struct Pictures {
    layers: Vec<Convolution>,
    /// What makes the row, if it is not all of the picture.
    softmax: Option<SpatialSoftmax>,
    /// Observations of bytes as numbers.
    numbers: Buffer,
    /// `dL/dy` of a layer, and of the one before it.
    gradients: [Buffer; 2],
}

/// What convolutions made of rows.
#[derive(Debug, Default)]
pub(super) struct PicturesPass {
    /// After their activations, `[N, H, W, C]` each.
    layers: Vec<Buffer>,
    /// Of a spatial softmax, `[N, H, W, C]`; empty without.
    probabilities: Buffer,
    /// The last ones, `[N, C·H·W]`, or their points, `[N, C·2]`.
    pub(super) flat: Buffer,
}

impl PicturesPass {
    pub(super) fn clear(&mut self) {
        self.layers.iter_mut().for_each(Buffer::clear);
        self.probabilities.clear();
        self.flat.clear();
    }
}

/// Observations as numbers, `len` each.
fn observations<'a>(
    arch: Arch,
    observed: &'a Observed,
    rows: Range<usize>,
    len: usize,
    numbers: &'a mut Buffer,
) -> &'a [f32] {
    let range = rows.start * len..rows.end * len;
    if observed.bytes.is_empty() {
        return &observed.numbers[range];
    }
    let numbers = numbers.resize(range.len());
    widen(arch, &observed.bytes[range], numbers);
    numbers
}

impl Pictures {
    /// Convolutions whose parameters are the next ones of the layout.
    pub(super) fn new(
        body: &network::Body,
        tensors: &mut impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let layer = |(index, layer): (usize, &network::Layer)| {
            let (order, scale) = match index {
                0 if body.scales_bytes => (Order::ChannelsFirst, 1.0 / 255.0),
                0 => (Order::ChannelsFirst, 1.0),
                _ => (Order::ChannelsLast, 1.0),
            };
            let elements = Elements::of(body.precision);
            Convolution::new(*layer, (order, elements), scale, Span::next(tensors))
        };
        Self {
            layers: body.convolutions.iter().enumerate().map(layer).collect(),
            softmax: body.spatial_softmax.map(SpatialSoftmax::new),
            numbers: Buffer::default(),
            gradients: Default::default(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.layers.iter_mut().for_each(Convolution::loaded);
    }

    /// Adds what they make of the observations of `rows`.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        observed: &Observed,
        rows: Range<usize>,
        pass: &mut PicturesPass,
    ) {
        pass.layers.resize_with(self.layers.len(), Buffer::default);
        for row in rows {
            for (index, layer) in self.layers.iter_mut().enumerate() {
                let (before, behind) = pass.layers.split_at_mut(index);
                let picture = match before.last() {
                    None => {
                        let (rows, numbers) = (row..row + 1, &mut self.numbers);
                        observations(arch, observed, rows, layer.inputs, numbers)
                    }
                    Some(before) => &before[row * layer.inputs..],
                };
                let values = behind[0].append(layer.outputs());
                layer.forward(arch, parameters, picture, values);
                let activation = Activation::Relu;
                arch.dispatch(Activate { activation, values });
            }
            self.end(arch, row, pass);
        }
    }

    /// Makes a row of the last picture.
    fn end(&self, arch: Arch, row: usize, pass: &mut PicturesPass) {
        let (Some(layer), Some(made)) = (self.layers.last(), pass.layers.last()) else {
            return;
        };
        let (len, [_, channels]) = (layer.outputs(), layer.shape());
        let picture = &made[row * len..(row + 1) * len];
        match &self.softmax {
            None => transpose(picture, channels, pass.flat.append(len)),
            Some(softmax) => {
                let probabilities = pass.probabilities.append(len);
                let points = pass.flat.append(softmax.outputs());
                softmax.forward(arch, picture, probabilities, points);
            }
        }
    }

    /// Writes `dL/d` of the last pictures from that of the rows.
    fn begin_backward(&mut self, last: usize, pass: &PicturesPass, rows: &[f32]) {
        let ([positions, _], len) = (self.layers[last].shape(), self.layers[last].outputs());
        let above = self.gradients[0].resize(pass.layers[last].len());
        let above = above.chunks_exact_mut(len);
        let Some(softmax) = &self.softmax else {
            let rows = rows.chunks_exact(len).zip(above);
            return rows.for_each(|(row, above)| transpose(row, positions, above));
        };
        let width = softmax.outputs();
        let points = pass.flat.chunks_exact(width).zip(rows.chunks_exact(width));
        let made = pass.probabilities.chunks_exact(len).zip(points);
        for ((probabilities, points), above) in made.zip(above) {
            softmax.backward(probabilities, points, above);
        }
    }

    /// Writes the parameters' gradient from `dL/d` of the rows, `[N, C·H·W]` or `[N, C·2]`.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        observed: &Observed,
        pass: &PicturesPass,
        rows: &[f32],
        gradient: &mut [f32],
    ) {
        let Some(last) = self.layers.len().checked_sub(1) else {
            return;
        };
        self.begin_backward(last, pass, rows);
        for index in (0..self.layers.len()).rev() {
            let before = index.checked_sub(1).map(|index| &pass.layers[index][..]);
            derivative(
                arch,
                Activation::Relu,
                &pass.layers[index],
                &mut self.gradients[0],
            );
            self.layer_backward(arch, observed, index, before, gradient);
            self.gradients.swap(0, 1);
        }
    }

    /// One layer; what comes in is `before`, or the observations.
    fn layer_backward(
        &mut self,
        arch: Arch,
        observed: &Observed,
        index: usize,
        before: Option<&[f32]>,
        gradient: &mut [f32],
    ) {
        let layer = &mut self.layers[index];
        let [above, below] = &mut self.gradients;
        let (inputs, outputs) = (layer.inputs, layer.outputs());
        let below = below.resize(before.map_or(0, <[f32]>::len));
        layer.begin_gradient();
        let mut first = 0;
        for above in above.chunks(layer.together() * outputs) {
            let rows = first..first + above.len() / outputs;
            let pictures = match before {
                None => observations(arch, observed, rows.clone(), inputs, &mut self.numbers),
                Some(before) => &before[rows.start * inputs..rows.end * inputs],
            };
            layer.add_to_gradient(arch, pictures, above);
            first = rows.end;
        }
        layer.end_gradient(arch, above, gradient);
        let pairs = above
            .chunks_exact(outputs)
            .zip(below.chunks_exact_mut(inputs));
        for (above, below) in pairs {
            layer.input_gradient(arch, above, below);
        }
    }
}
