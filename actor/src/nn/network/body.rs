//! What stands between observations and heads.

use troop_common::experiment::{Activation, Body as Kind, ModelSettings, Precision};
use troop_common::layout::TensorSpec;
use troop_common::spaces::{ElementType, ObservationSpace};

use super::error::ModelError;
use super::layer::Layer;
use super::lstm::Lstm;
use super::spatial_softmax::SpatialSoftmax;

/// √2, the orthogonal gain of hidden layers.
const HIDDEN_GAIN: f32 = std::f32::consts::SQRT_2;

/// Convolutions, linear layers, and an LSTM where there is one.
#[derive(Clone, Debug)]
pub(in crate::nn) struct Body {
    pub(in crate::nn) convolutions: Vec<Layer>,
    /// Of what convolutions multiply.
    pub(in crate::nn) precision: Precision,
    /// What stands behind the convolutions in place of all their numbers.
    pub(in crate::nn) spatial_softmax: Option<SpatialSoftmax>,
    pub(in crate::nn) linears: Vec<Layer>,
    pub(in crate::nn) lstm: Option<Lstm>,
    /// What stands between its layers.
    pub(in crate::nn) activation: Activation,
    /// Whether bytes count from 0 to 1.
    pub(in crate::nn) scales_bytes: bool,
    /// Elements of an observation.
    pub(in crate::nn) inputs: usize,
    /// Features that it makes of an observation.
    pub(in crate::nn) outputs: usize,
}

impl Body {
    /// For observations of one space; an LSTM takes so many numbers of the `previous` step beside the features.
    pub(in crate::nn) fn new(
        settings: &ModelSettings,
        observation: &ObservationSpace,
        previous: usize,
    ) -> Result<Self, ModelError> {
        let convolutions = convolutions(settings.body, observation)?;
        let precision = settings.convolution_precision;
        if precision == Precision::Bf16 {
            expect_pairs(&convolutions)?;
        }
        let hidden: &[usize] = match settings.body {
            Kind::Mlp => &settings.hidden,
            Kind::A3cConv => &[256],
            Kind::NatureConv => &[512],
            Kind::MinatarConv => &[128],
        };
        let spatial_softmax = convolutions
            .last()
            .filter(|_| settings.spatial_softmax)
            .and_then(|last| spatial_softmax(*last));
        let mut inputs = match spatial_softmax {
            Some(softmax) => softmax.outputs(),
            None => flattened(&convolutions, observation),
        };
        let mut linear = |outputs: usize| {
            let layer = Layer::Linear { inputs, outputs };
            inputs = outputs;
            layer
        };
        let linears = hidden.iter().map(|outputs| linear(*outputs)).collect();
        let lstm = settings.lstm.map(|units| Lstm {
            inputs: inputs + previous,
            units,
        });
        Ok(Self {
            activation: if convolutions.is_empty() {
                settings.activation
            } else {
                Activation::Relu
            },
            convolutions,
            precision,
            spatial_softmax,
            linears,
            inputs: observation.len(),
            outputs: lstm.map_or(inputs, |lstm| lstm.units),
            lstm,
            scales_bytes: settings.scale_bytes && observation.element == ElementType::U8,
        })
    }

    /// Numbers of an environment's recurrent state.
    pub(in crate::nn) fn state_len(&self) -> usize {
        self.lstm.map_or(0, Lstm::state_len)
    }

    /// Convolutions, then linear layers.
    pub(in crate::nn) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.convolutions.iter().chain(&self.linears)
    }

    /// Its tensors: `<prefix>body.0.weight` …, then `<prefix>lstm.weight_ih_l0` ….
    pub(in crate::nn) fn tensors(&self, settings: &ModelSettings, prefix: &str) -> Vec<TensorSpec> {
        let initialization = settings.initialization;
        let layers = self.layers().enumerate().flat_map(|(i, layer)| {
            layer.tensors(&format!("{prefix}body.{i}"), initialization, HIDDEN_GAIN)
        });
        let lstm = self
            .lstm
            .map(|lstm| lstm.tensors(&format!("{prefix}lstm"), initialization));
        layers.chain(lstm.into_iter().flatten()).collect()
    }
}

fn convolutions(body: Kind, observation: &ObservationSpace) -> Result<Vec<Layer>, ModelError> {
    // Output channels, kernel, stride.
    let (name, smallest, shapes): (_, _, &[(usize, usize, usize)]) = match body {
        Kind::Mlp => return Ok(Vec::new()),
        Kind::A3cConv => ("a3c_conv", 20, &[(16, 8, 4), (32, 4, 2)]),
        Kind::NatureConv => ("nature_conv", 36, &[(32, 8, 4), (64, 4, 2), (64, 3, 1)]),
        Kind::MinatarConv => ("minatar_conv", 3, &[(16, 3, 1)]),
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
    let (mut inputs, mut input_size) = (channels, [height, width]);
    let layer = |(outputs, kernel, stride): &(usize, usize, usize)| {
        let layer = Layer::Convolution {
            inputs,
            outputs: *outputs,
            kernel: *kernel,
            stride: *stride,
            input_size,
        };
        (inputs, input_size) = (*outputs, layer.output_size());
        layer
    };
    Ok(shapes.iter().map(layer).collect())
}

/// That what the convolutions multiply comes in pairs, of neighbours on a line or of channels.
fn expect_pairs(convolutions: &[Layer]) -> Result<(), ModelError> {
    match convolutions.first() {
        Some(Layer::Convolution {
            kernel,
            input_size: [_, width],
            ..
        }) if !kernel.is_multiple_of(2) || !width.is_multiple_of(2) => Err(ModelError::NoPairs {
            kernel: *kernel,
            width: *width,
        }),
        _ => Ok(()),
    }
}

/// What stands behind this convolution.
fn spatial_softmax(last: Layer) -> Option<SpatialSoftmax> {
    match last {
        Layer::Convolution { outputs, .. } => Some(SpatialSoftmax {
            channels: outputs,
            size: last.output_size(),
        }),
        Layer::Linear { .. } => None,
    }
}

/// Elements of one observation after the convolutions.
fn flattened(convolutions: &[Layer], observation: &ObservationSpace) -> usize {
    match convolutions.last() {
        Some(layer @ Layer::Convolution { outputs, .. }) => {
            outputs * layer.output_size().iter().product::<usize>()
        }
        _ => observation.len(),
    }
}
