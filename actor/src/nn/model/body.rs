//! What stands between observations and heads.

use tch::Tensor;
use troop_common::experience::End;
use troop_common::experiment::{Activation, Body as Kind, ModelSettings};
use troop_common::layout::TensorSpec;
use troop_common::spaces::{ElementType, ObservationSpace};

use super::error::ModelError;
use super::layer::{Layer, activate};
use super::lstm::{Lstm, Unrolled};

/// √2, the orthogonal gain of hidden layers.
const HIDDEN_GAIN: f32 = std::f32::consts::SQRT_2;

/// Convolutions, linear layers, and an LSTM where there is one.
#[derive(Clone, Debug)]
pub(super) struct Body {
    convolutions: Vec<Layer>,
    linears: Vec<Layer>,
    lstm: Option<Lstm>,
    activation: Activation,
    scales_bytes: bool,
    outputs: usize,
}

impl Body {
    pub(super) fn new(
        settings: &ModelSettings,
        observation: &ObservationSpace,
    ) -> Result<Self, ModelError> {
        let convolutions = convolutions(settings.body, observation)?;
        let hidden: &[usize] = match settings.body {
            Kind::Mlp => &settings.hidden,
            Kind::A3cConv => &[256],
            Kind::NatureConv => &[512],
        };
        let mut inputs = flattened(&convolutions, observation);
        let mut linear = |outputs: usize| {
            let layer = Layer::Linear { inputs, outputs };
            inputs = outputs;
            layer
        };
        let linears = hidden.iter().map(|outputs| linear(*outputs)).collect();
        let lstm = settings.lstm.map(|units| Lstm { inputs, units });
        Ok(Self {
            activation: if convolutions.is_empty() {
                settings.activation
            } else {
                Activation::Relu
            },
            convolutions,
            linears,
            outputs: lstm.map_or(inputs, |lstm| lstm.units),
            lstm,
            scales_bytes: settings.scale_bytes && observation.element == ElementType::U8,
        })
    }

    /// Features that it makes of an observation.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// What stands between its layers.
    pub(super) fn activation(&self) -> Activation {
        self.activation
    }

    /// Numbers of an environment's recurrent state.
    pub(super) fn state_len(&self) -> usize {
        self.lstm.map_or(0, Lstm::state_len)
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.convolutions.iter().chain(&self.linears)
    }

    /// Its tensors: `<prefix>body.0.weight` …, then `<prefix>lstm.weight_ih_l0` ….
    pub(super) fn tensors(&self, settings: &ModelSettings, prefix: &str) -> Vec<TensorSpec> {
        let initialization = settings.initialization;
        let layers = self.layers().enumerate().flat_map(|(i, layer)| {
            layer.tensors(&format!("{prefix}body.{i}"), initialization, HIDDEN_GAIN)
        });
        let lstm = self
            .lstm
            .map(|lstm| lstm.tensors(&format!("{prefix}lstm"), initialization));
        layers.chain(lstm.into_iter().flatten()).collect()
    }

    /// Number of its tensors.
    pub(super) fn tensor_count(&self) -> usize {
        2 * self.layers().count() + self.lstm.map_or(0, |_| Lstm::TENSORS)
    }

    /// Features of `[T·E, …]`, from the recurrent state `[E, S]`, with `ends` `[T, E]`.
    pub(super) fn unroll(
        &self,
        tensors: &[Tensor],
        observations: Tensor,
        state: &Tensor,
        ends: &[End],
    ) -> Unrolled {
        let (layers, lstm) = tensors.split_at(2 * self.layers().count());
        let features = self.feed_forward(layers, observations);
        match self.lstm {
            Some(layer) => layer.unroll(lstm, &features, state, ends),
            None => {
                let cut = ends.iter().filter(|end| **end == End::Truncated).count();
                Unrolled {
                    outputs: features,
                    last: state.shallow_clone(),
                    cut: state.new_zeros([cut as i64, 0], (state.kind(), state.device())),
                }
            }
        }
    }

    fn feed_forward(&self, tensors: &[Tensor], observations: Tensor) -> Tensor {
        let mut x = observations;
        if self.convolutions.is_empty() {
            x = x.flatten(1, -1);
        }
        for (index, (layer, tensors)) in self.layers().zip(tensors.chunks_exact(2)).enumerate() {
            let (weight, bias) = (&tensors[0], &tensors[1]);
            if index > 0 && index == self.convolutions.len() {
                x = x.flatten(1, -1);
            }
            // Bytes become [0, 1] by scaling the first layer's few weights, not the many pixels.
            let scaled = (index == 0 && self.scales_bytes).then(|| weight * (1.0 / 255.0));
            let weight = scaled.as_ref().unwrap_or(weight);
            x = activate(&layer.forward(&x, weight, bias), self.activation);
        }
        x
    }
}

fn convolutions(body: Kind, observation: &ObservationSpace) -> Result<Vec<Layer>, ModelError> {
    // Output channels, kernel, stride.
    let (name, smallest, shapes): (_, _, &[(usize, usize, usize)]) = match body {
        Kind::Mlp => return Ok(Vec::new()),
        Kind::A3cConv => ("a3c_conv", 20, &[(16, 8, 4), (32, 4, 2)]),
        Kind::NatureConv => ("nature_conv", 36, &[(32, 8, 4), (64, 4, 2), (64, 3, 1)]),
    };
    let [channels, height, width] = observation.shape[..] else {
        return Err(ModelError::NeedsPixels {
            body: name,
            smallest,
            found: observation.shape.clone(),
        });
    };
    if height < smallest || width < smallest {
        return Err(ModelError::NeedsPixels {
            body: name,
            smallest,
            found: observation.shape.clone(),
        });
    }
    let mut inputs = channels;
    let layer = |(outputs, kernel, stride): &(usize, usize, usize)| {
        let layer = Layer::Convolution {
            inputs,
            outputs: *outputs,
            kernel: *kernel,
            stride: *stride,
        };
        inputs = *outputs;
        layer
    };
    Ok(shapes.iter().map(layer).collect())
}

/// Elements of one observation after the convolutions.
fn flattened(convolutions: &[Layer], observation: &ObservationSpace) -> usize {
    let [_, height, width] = observation.shape[..] else {
        return observation.len();
    };
    let mut axes = (height, width);
    let mut channels = 0;
    for layer in convolutions {
        if let Layer::Convolution {
            outputs,
            kernel,
            stride,
            ..
        } = layer
        {
            let shrink = |n: usize| (n - kernel) / stride + 1;
            axes = (shrink(axes.0), shrink(axes.1));
            channels = *outputs;
        }
    }
    if convolutions.is_empty() {
        observation.len()
    } else {
        channels * axes.0 * axes.1
    }
}
