//! A convolution, as a product of a picture's patches with the weight.

use pulp::Arch;

use super::buffer::Buffer;
use super::kernel::{Columns, Elements, Patches, Placement, Product, Right, Rows, Start, add_rows};
use super::span::Span;
use crate::nn::network::Layer;

/// How the elements of a picture follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// `[C, H, W]`, as environments show them.
    ChannelsFirst,
    /// `[H, W, C]`, as convolutions leave them.
    ChannelsLast,
}

/// Elements of pictures that are taken together to the weight's gradient: they stay in the second-level cache while their sums
/// stay in registers.
const TOGETHER: usize = 1 << 17;

/// A convolution's kernels: from pictures in one of the orders to pictures `[H, W, O]`.
#[derive(Debug)]
pub(super) struct Convolution {
    span: Span,
    outputs: usize,
    /// Numbers of a picture that comes in.
    pub(super) inputs: usize,
    /// Patches of a picture.
    positions: usize,
    /// Where each patch begins in pictures that are taken together, `[N, P]`.
    starts: Vec<usize>,
    /// Where each run of neighbours begins in a patch, and how long it is.
    runs: Vec<usize>,
    run: usize,
    /// Where each number of a patch stands in an output's weight, `[K]`.
    order: Vec<usize>,
    /// What its products' factors hold.
    elements: Elements,
    /// `starts` of a picture and `runs`, in elements.
    places: [Vec<usize>; 2],
    /// What pictures are multiplied by.
    scale: f32,
    stale: bool,
    /// The weight for the way forward, `[K, O]`, and back, `[O, K]`.
    packed: Buffer,
    packed_back: Buffer,
    /// What comes in and `dL/dy`, in elements.
    rooms: [Buffer; 2],
    /// `dL/d` of the patches of a picture, `[P, K]`.
    patches_gradient: Buffer,
    /// `dL/dW`, `[K, O]`.
    weight_gradient: Buffer,
}

/// Where each run of neighbours begins in a patch, and how long it is; where each number of a patch stands in an output's weight.
/// `steps` are from channel to channel, from line to line, and from pixel to pixel.
fn runs_of_patches(
    input: Order,
    channels: usize,
    kernel: usize,
    steps: [usize; 3],
) -> (Vec<usize>, usize, Vec<usize>) {
    let area = kernel * kernel;
    match input {
        Order::ChannelsFirst => {
            let runs = (0..channels * kernel)
                .map(|i| i / kernel * steps[0] + i % kernel * steps[1])
                .collect();
            (runs, kernel, (0..channels * area).collect())
        }
        Order::ChannelsLast => {
            let runs = (0..kernel).map(|line| line * steps[1]).collect();
            let number = |i: usize| i % channels * area + i / channels;
            let order = (0..channels * area).map(number).collect();
            (runs, kernel * channels, order)
        }
    }
}

impl Convolution {
    /// A convolution with its parameters' places.
    ///
    /// # Panics
    /// If it is none.
    pub(super) fn new(
        layer: Layer,
        (input, elements): (Order, Elements),
        scale: f32,
        span: Span,
    ) -> Self {
        let Layer::Convolution {
            inputs: channels,
            outputs,
            kernel,
            stride,
            input_size: [height, width],
        } = layer
        else {
            panic!("expected a convolution, found {layer:?}")
        };
        // From channel to channel, from line to line, from pixel to pixel.
        let steps = match input {
            Order::ChannelsFirst => [height * width, width, 1],
            Order::ChannelsLast => [1, width * channels, channels],
        };
        let [lines, columns] = layer.output_size();
        let (positions, inputs) = (lines * columns, channels * height * width);
        let start = |p: usize| stride * (p / columns * steps[1] + p % columns * steps[2]);
        let pictures = (TOGETHER / inputs).max(1);
        let starts: Vec<usize> = (0..pictures * positions)
            .map(|i| i / positions * inputs + start(i % positions))
            .collect();
        let (runs, run, order) = runs_of_patches(input, channels, kernel, steps);
        let in_elements = |places: &[usize]| {
            let places = places.iter().map(|place| place / elements.numbers());
            places.collect()
        };
        Self {
            span,
            outputs,
            inputs,
            positions,
            elements,
            places: [in_elements(&starts[..positions]), in_elements(&runs)],
            starts,
            runs,
            run,
            order,
            scale,
            stale: true,
            packed: Buffer::default(),
            packed_back: Buffer::default(),
            rooms: Default::default(),
            patches_gradient: Buffer::default(),
            weight_gradient: Buffer::default(),
        }
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.stale = true;
    }

    /// Positions `P` and channels `O` of a picture that goes out.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.positions, self.outputs]
    }

    /// Elements of a picture that goes out.
    pub(super) fn outputs(&self) -> usize {
        self.positions * self.outputs
    }

    /// Pictures that are taken together to the weight's gradient.
    pub(super) fn together(&self) -> usize {
        self.starts.len() / self.positions * self.elements.numbers()
    }

    fn patch(&self) -> usize {
        self.order.len()
    }

    fn pack(&mut self, arch: Arch, weight: &[f32]) {
        let (elements, outputs) = (self.elements, self.outputs);
        let (len, order, scale) = (self.patch(), &self.order, self.scale);
        let from = |output: usize, k: usize| weight[output * len + order[k]] * scale;
        elements.pack(arch, from, [len, outputs], &mut self.packed);
        let from = |k: usize, output: usize| weight[output * len + order[k]];
        elements.pack(arch, from, [outputs, len], &mut self.packed_back);
    }

    /// One picture.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        picture: &[f32],
        output: &mut [f32],
    ) {
        let elements = self.elements;
        let [weight, bias] = self.span.of(parameters);
        if std::mem::take(&mut self.stale) {
            self.pack(arch, weight);
        }
        let shape = [
            self.positions,
            self.patch() / elements.numbers(),
            self.outputs,
        ];
        let [starts, runs] = &self.places;
        let product = Product {
            left: Patches {
                values: elements.neighbours(arch, &picture[..self.inputs], &mut self.rooms[0]),
                starts,
                runs,
                run: self.run / elements.numbers(),
            },
            right: Right::Packed(&self.packed),
            start: Start::ForColumns(bias),
            shape,
            placement: Placement::Rows(self.outputs),
            output,
        };
        elements.multiply(arch, product);
    }

    /// The weight's gradient is that of the pictures from now on.
    pub(super) fn begin_gradient(&mut self) {
        let len = self.patch() * self.outputs;
        self.weight_gradient.resize(len).fill(0.0);
    }

    /// Adds pictures to the weight's gradient, at most [`together`](Self::together), with their `dL/dy`.
    pub(super) fn add_to_gradient(&mut self, arch: Arch, pictures: &[f32], outputs: &[f32]) {
        let elements = self.elements;
        let of_picture = self.outputs();
        let [of_inputs, of_outputs] = &mut self.rooms;
        let pictures = elements.rows(arch, pictures, self.inputs, of_inputs);
        let outputs = elements.rows(arch, outputs, of_picture, of_outputs);
        let starts = &self.starts[..outputs.len() / self.outputs];
        let len = self.run * self.outputs;
        let parts = self.weight_gradient.chunks_exact_mut(len);
        for (run, output) in self.runs.iter().zip(parts) {
            let product = Product {
                left: Columns {
                    values: &pictures[*run..],
                    start: |position: usize| starts[position],
                },
                right: Right::Rows(outputs, self.outputs),
                start: Start::Output,
                shape: [self.run, starts.len(), self.outputs],
                placement: Placement::Rows(self.outputs),
                output,
            };
            elements.multiply(arch, product);
        }
    }

    /// Writes the weight's gradient, and the bias' from `dL/dy` of all pictures.
    pub(super) fn end_gradient(&self, arch: Arch, outputs: &[f32], gradient: &mut [f32]) {
        let [weight, bias] = self.span.of_mut(gradient);
        super::dense::Dense::bias_gradient(arch, outputs, bias);
        let rows = self.weight_gradient.chunks_exact(self.outputs);
        for (place, row) in self.order.iter().zip(rows) {
            for (output, value) in row.iter().enumerate() {
                weight[output * self.order.len() + place] = value * self.scale;
            }
        }
    }

    /// `dL/dx` of one picture from its `dL/dy`.
    pub(super) fn input_gradient(&mut self, arch: Arch, outputs: &[f32], gradient: &mut [f32]) {
        let elements = self.elements;
        let (positions, len) = (self.positions, self.patch());
        let patches = self.patches_gradient.resize(positions * len);
        let in_element = self.outputs / elements.numbers();
        let product = Product {
            left: Rows {
                values: elements.neighbours(arch, outputs, &mut self.rooms[1]),
                stride: in_element,
            },
            right: Right::Packed(&self.packed_back),
            start: Start::Zero,
            shape: [positions, in_element, len],
            placement: Placement::Rows(len),
            output: patches,
        };
        elements.multiply(arch, product);
        gradient.fill(0.0);
        for (patch, start) in patches.chunks_exact(len).zip(&self.starts) {
            for (from, run) in patch.chunks_exact(self.run).zip(&self.runs) {
                add_rows(from, &mut gradient[start + run..][..self.run]);
            }
        }
    }
}
