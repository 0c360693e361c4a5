//! A head that takes an action beside the features of a state.

use std::ops::Range;

use pulp::Arch;
use troop_common::experiment::Activation;

use super::buffer::Buffer;
use super::dense::Dense;
use super::kernel::{Activate, Start, add_rows, derivative};
use super::span::Span;
use crate::nn::network::{self, Layer};

/// One number for each of `M` actions in each of `N` states.
#[derive(Debug)]
pub(super) struct ActionHead {
    features: usize,
    dimensions: usize,
    units: usize,
    activation: Activation,
    /// The hidden layer's parameters, and the output's.
    spans: [Span; 2],
    /// The hidden layer's weight in two: `[U, F]` and `[U, D]`.
    weights: [Vec<f32>; 2],
    gradients: [Vec<f32>; 2],
    denses: [Dense; 2],
    output: Dense,
    stale: bool,
    /// `[N, M, D]`
    actions: Vec<f32>,
    /// What the features give to the hidden layer, or its gradient, `[N, U]`.
    base: Buffer,
    /// The hidden layer, and its gradient, `[N, M, U]`.
    hidden: Buffer,
    hidden_gradient: Buffer,
    /// `[N, M]`
    judgements: Vec<f32>,
}

impl ActionHead {
    /// A head whose parameters are the next ones of the layout.
    pub(super) fn new(
        head: network::ActionHead,
        body: &network::Body,
        tensors: &mut impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let [hidden, _] = head.layers();
        let (Layer::Linear {
            inputs,
            outputs: units,
        }
        | Layer::Convolution {
            inputs,
            outputs: units,
            ..
        }) = hidden;
        let features = body.outputs;
        let parts = [features, inputs - features];
        Self {
            features,
            dimensions: parts[1],
            units,
            activation: body.activation,
            spans: [Span::next(tensors), Span::next(tensors)],
            weights: parts.map(|inputs| vec![0.0; units * inputs]),
            gradients: parts.map(|inputs| vec![0.0; units * inputs]),
            denses: parts.map(|inputs| Dense::new(inputs, units, 1.0)),
            output: Dense::new(units, 1, 1.0),
            stale: true,
            actions: Vec::new(),
            base: Buffer::default(),
            hidden: Buffer::default(),
            hidden_gradient: Buffer::default(),
            judgements: Vec::new(),
        }
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.stale = true;
        self.denses.iter_mut().for_each(Dense::loaded);
        self.output.loaded();
    }

    /// Nothing was judged.
    pub(super) fn clear(&mut self) {
        self.judgements.clear();
    }

    fn split(&mut self, weight: &[f32]) {
        let [features, dimensions] = &mut self.weights;
        let parts = features
            .chunks_exact_mut(self.features)
            .zip(dimensions.chunks_exact_mut(self.dimensions));
        for (row, (first, last)) in weight
            .chunks_exact(self.features + self.dimensions)
            .zip(parts)
        {
            first.copy_from_slice(&row[..self.features]);
            last.copy_from_slice(&row[self.features..]);
        }
    }

    /// Judges actions `[N, M, D]` in states with features `[N, F]`.
    ///
    /// # Panics
    /// If there is not the same number of actions in each state.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        features: &[f32],
        actions: &[f32],
    ) -> &[f32] {
        let rows = features.len() / self.features;
        let count = actions.len() / (rows * self.dimensions).max(1);
        assert_eq!(
            actions.len(),
            rows * count * self.dimensions,
            "the same number of actions in each state"
        );
        let [weight, bias] = self.spans[0].of(parameters);
        if std::mem::take(&mut self.stale) {
            self.split(weight);
        }
        self.actions.clear();
        self.actions.extend_from_slice(actions);
        let base = self.base.resize(rows * self.units);
        let [by_features, by_action] = &self.weights;
        self.denses[0].forward(arch, by_features, Some(bias), features, base);
        let hidden = self.hidden.resize(rows * count * self.units);
        let chunks = hidden.chunks_exact_mut((count * self.units).max(1));
        for (chunk, base) in chunks.zip(base.chunks_exact(self.units)) {
            chunk
                .chunks_exact_mut(self.units)
                .for_each(|row| row.copy_from_slice(base));
        }
        self.denses[1].forward(arch, by_action, None, actions, hidden);
        let activation = self.activation;
        arch.dispatch(Activate {
            activation,
            values: &mut *hidden,
        });
        let [weight, bias] = self.spans[1].of(parameters);
        self.judgements.resize(rows * count, 0.0);
        self.output
            .forward(arch, weight, Some(bias), hidden, &mut self.judgements);
        &self.judgements
    }

    /// Writes the parameters' gradient from one `[N, M]`, and adds to that of the features. If there is
    /// none, nothing was judged.
    ///
    /// # Panics
    /// If there is another number of judgements.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        features: &[f32],
        of: &[f32],
        (gradient, features_gradient): (&mut [f32], &mut [f32]),
    ) {
        if of.is_empty() {
            for span in &self.spans {
                let [weight, bias] = span.of_mut(gradient);
                weight.fill(0.0);
                bias.fill(0.0);
            }
            return;
        }
        assert_eq!(
            of.len(),
            self.judgements.len(),
            "a gradient for each judgement"
        );
        let [weight, _] = self.spans[1].of(parameters);
        let [weight_gradient, bias_gradient] = self.spans[1].of_mut(gradient);
        self.output
            .weight_gradient(arch, of, &self.hidden, weight_gradient);
        Dense::bias_gradient(arch, of, bias_gradient);
        let hidden = self.hidden_gradient.resize(self.hidden.len());
        self.output
            .input_gradient(arch, weight, of, Start::Zero, hidden);
        derivative(arch, self.activation, &self.hidden, hidden);
        self.sum_actions(features.len() / self.features);
        let [by_features, by_action] = &mut self.gradients;
        self.denses[0].weight_gradient(arch, &self.base, features, by_features);
        self.denses[1].weight_gradient(arch, &self.hidden_gradient, &self.actions, by_action);
        let weight = &self.weights[0];
        self.denses[0].input_gradient(arch, weight, &self.base, Start::Output, features_gradient);
        let [weight_gradient, bias_gradient] = self.spans[0].of_mut(gradient);
        Dense::bias_gradient(arch, &self.base, bias_gradient);
        self.join(weight_gradient);
    }

    /// The hidden layer's gradient of all actions in a state together.
    fn sum_actions(&mut self, rows: usize) {
        let base = self.base.resize(rows * self.units);
        let actions = self.hidden_gradient.len() / rows.max(1);
        let chunks = self.hidden_gradient.chunks_exact(actions.max(1));
        for (base, hidden) in base.chunks_exact_mut(self.units).zip(chunks) {
            base.fill(0.0);
            hidden
                .chunks_exact(self.units)
                .for_each(|row| add_rows(row, base));
        }
    }

    fn join(&self, weight: &mut [f32]) {
        let [features, dimensions] = &self.gradients;
        let parts = features
            .chunks_exact(self.features)
            .zip(dimensions.chunks_exact(self.dimensions));
        for (row, (first, last)) in weight
            .chunks_exact_mut(self.features + self.dimensions)
            .zip(parts)
        {
            row[..self.features].copy_from_slice(first);
            row[self.features..].copy_from_slice(last);
        }
    }
}
