//! What stands between observations and heads.

use std::ops::Range;

use pulp::Arch;
use troop_common::experience::End;
use troop_common::experiment::Activation;

use super::buffer::Buffer;
use super::dense::Dense;
use super::kernel::{Activate, Start, derivative};
use super::lstm::Lstm;
use super::lstm_pass::{LstmPass, States};
use super::observed::Observed;
use super::pictures::{Pictures, PicturesPass};
use super::span::Span;
use crate::nn::network;

/// A linear layer with its parameters' places.
#[derive(Debug)]
struct Linear {
    inputs: usize,
    outputs: usize,
    dense: Dense,
    span: Span,
}

/// A body's kernels.
#[derive(Debug)]
pub(super) struct Body {
    pictures: Pictures,
    linears: Vec<Linear>,
    lstm: Option<Lstm>,
    activation: Activation,
    /// `dL/dy` of a layer, and of the one before it.
    gradients: [Buffer; 2],
}

/// What a body made of rows.
#[derive(Debug, Default)]
pub(super) struct BodyPass {
    pictures: PicturesPass,
    /// After their activations, `[N, O]` each.
    linears: Vec<Buffer>,
    /// Features and what went before, `[N, F + X]`; empty if the LSTM takes features alone.
    joined: Buffer,
    pub(super) lstm: LstmPass,
}

impl BodyPass {
    pub(super) fn clear(&mut self) {
        self.pictures.clear();
        self.lstm.clear();
        self.linears.iter_mut().for_each(Buffer::clear);
        self.joined.clear();
    }

    /// Features of all rows, `[N, F]`.
    pub(super) fn features<'a>(&'a self, observed: &'a Observed) -> &'a [f32] {
        match self.lstm.state_len() {
            0 => self.layer(self.linears.len(), observed),
            _ => &self.lstm.after[0],
        }
    }

    /// What goes into linear layer `index`, of all rows; into what follows if there are only so many.
    fn layer<'a>(&'a self, index: usize, observed: &'a Observed) -> &'a [f32] {
        let last = self.linears[..index].last();
        last.unwrap_or(match self.pictures.flat.is_empty() {
            true => &observed.numbers,
            false => &self.pictures.flat,
        })
    }
}

impl Body {
    /// A body whose parameters are the next ones of the layout.
    pub(super) fn new(
        body: &network::Body,
        tensors: &mut impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let pictures = Pictures::new(body, tensors);
        let linear = |(index, layer): (usize, &network::Layer)| {
            let (inputs, outputs) = match *layer {
                network::Layer::Linear { inputs, outputs } => (inputs, outputs),
                network::Layer::Convolution { .. } => panic!("convolutions come first"),
            };
            let scales = body.scales_bytes && index == 0 && pictures.is_empty();
            Linear {
                inputs,
                outputs,
                dense: Dense::new(inputs, outputs, if scales { 1.0 / 255.0 } else { 1.0 }),
                span: Span::next(tensors),
            }
        };
        let linears = body.linears.iter().enumerate().map(linear).collect();
        let lstm = body
            .lstm
            .map(|lstm| Lstm::new(lstm, Span::next(tensors), Span::next(tensors)));
        Self {
            pictures,
            linears,
            lstm,
            activation: body.activation,
            gradients: Default::default(),
        }
    }

    /// Whether its layers take bytes as they are.
    pub(super) fn takes_bytes(&self) -> bool {
        !self.pictures.is_empty()
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.pictures.loaded();
        self.linears
            .iter_mut()
            .for_each(|linear| linear.dense.loaded());
        self.lstm.iter_mut().for_each(Lstm::loaded);
    }

    /// Adds what it makes of the observations of `rows`, from these states, with `ends` and what went before each
    /// row.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        (observed, rows): (&Observed, Range<usize>),
        (states, ends, previous): (States<'_>, &[End], &[f32]),
        pass: &mut BodyPass,
    ) {
        let first = rows.start;
        self.pictures
            .forward(arch, parameters, observed, rows.clone(), &mut pass.pictures);
        pass.linears
            .resize_with(self.linears.len(), Buffer::default);
        for (index, linear) in self.linears.iter_mut().enumerate() {
            let mut made = std::mem::take(&mut pass.linears[index]);
            let inputs = &pass.layer(index, observed)[first * linear.inputs..];
            let values = made.append(rows.len() * linear.outputs);
            let [weight, bias] = linear.span.of(parameters);
            linear
                .dense
                .forward(arch, weight, Some(bias), inputs, values);
            let activation = self.activation;
            arch.dispatch(Activate { activation, values });
            pass.linears[index] = made;
        }
        if let Some(lstm) = &mut self.lstm {
            let mut made = std::mem::take(&mut pass.lstm);
            let mut joined = std::mem::take(&mut pass.joined);
            let features = pass.layer(self.linears.len(), observed);
            let features = &features[features.len() / rows.end * first..];
            let before = joined.len();
            if !previous.is_empty() {
                join(&mut joined, features, previous, rows.len());
            }
            let inputs = match previous {
                [] => features,
                _ => &joined[before..],
            };
            lstm.forward(arch, parameters, inputs, (states, ends), &mut made);
            pass.joined = joined;
            pass.lstm = made;
        }
    }

    /// Room for `dL/d` of the features, `[N, F]`, of so many elements.
    pub(super) fn features_gradient(&mut self, len: usize) -> &mut [f32] {
        self.gradients[0].resize(len)
    }

    /// Writes the parameters' gradient from that of the features, which went through steps with `ends`.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        (observed, ends): (&Observed, &[End]),
        pass: &BodyPass,
        gradient: &mut [f32],
    ) {
        if let Some(lstm) = &mut self.lstm {
            let features = pass.layer(self.linears.len(), observed);
            let [above, below] = &mut self.gradients;
            let inputs = match pass.joined.is_empty() {
                true => features,
                false => &pass.joined,
            };
            let to = (&mut *gradient, below.resize(inputs.len()));
            lstm.backward(arch, parameters, (inputs, ends), &pass.lstm, above, to);
            keep_first(below, features.len(), pass.lstm.rows());
            self.gradients.swap(0, 1);
        }
        for (index, linear) in self.linears.iter().enumerate().rev() {
            let [above, below] = &mut self.gradients;
            derivative(arch, self.activation, &pass.linears[index], above);
            let inputs = pass.layer(index, observed);
            let [weight_gradient, bias_gradient] = linear.span.of_mut(gradient);
            linear
                .dense
                .weight_gradient(arch, above, inputs, weight_gradient);
            Dense::bias_gradient(arch, above, bias_gradient);
            if index > 0 || !self.pictures.is_empty() {
                let [weight, _] = linear.span.of(parameters);
                let below = below.resize(inputs.len());
                linear
                    .dense
                    .input_gradient(arch, weight, above, Start::Zero, below);
                self.gradients.swap(0, 1);
            }
        }
        let [above, _] = &self.gradients;
        self.pictures
            .backward(arch, observed, &pass.pictures, above, gradient);
    }
}

/// Appends features of so many rows, each with what went before it.
fn join(joined: &mut Buffer, features: &[f32], previous: &[f32], rows: usize) {
    let (of_features, of_previous) = (features.len() / rows, previous.len() / rows);
    let appended = joined.append(features.len() + previous.len());
    let appended = appended.chunks_exact_mut(of_features + of_previous);
    for (row, joined) in appended.enumerate() {
        let (to_features, to_previous) = joined.split_at_mut(of_features);
        to_features.copy_from_slice(&features[row * of_features..][..of_features]);
        to_previous.copy_from_slice(&previous[row * of_previous..][..of_previous]);
    }
}

/// Keeps as many of the first numbers of each row as make `len` in all.
fn keep_first(values: &mut Buffer, len: usize, rows: usize) {
    let (all, kept) = (values.len() / rows.max(1), len / rows.max(1));
    if kept == all {
        return;
    }
    for row in 0..rows {
        values.copy_within(row * all..row * all + kept, row * kept);
    }
    values.resize(len);
}
