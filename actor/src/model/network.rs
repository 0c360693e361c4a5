//! A body that all heads share, and the heads.

use tch::{Kind, Tensor};
use troop_common::experiment::{Activation, Body, Initialization, ModelSettings};
use troop_common::layout::{Layout, LayoutError};
use troop_common::spaces::{ElementType, ObservationSpace};

use super::Parameters;
use super::layer::{Layer, activate};

/// A linear output on top of the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its name in exported weights.
    pub name: &'static str,
    /// Number of outputs, `O`.
    pub outputs: usize,
    /// Gain of its orthogonal initialisation.
    pub gain: f32,
}

/// Why a model cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A convolutional body was asked for an environment without pictures.
    #[error(
        "model.body `{body}` needs pixels [C, H, W] of at least {smallest}×{smallest}; the environment shows {found:?}; \
         set model.body to `mlp`"
    )]
    NeedsPixels {
        /// The body's name.
        body: &'static str,
        /// Smallest height and width.
        smallest: usize,
        /// Axes of the environment's observation.
        found: Vec<usize>,
    },
    /// The environment shows nothing.
    #[error("the environment's observation has no elements; shape {0:?}")]
    EmptyObservation(Vec<usize>),
    /// The parameters do not make a layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A network without its parameters: how observations become the heads' outputs.
#[derive(Clone, Debug)]
pub struct Network {
    layout: Layout,
    convolutions: Vec<Layer>,
    linears: Vec<Layer>,
    heads: Vec<Layer>,
    activation: Activation,
    pixels: bool,
}

/// √2, the orthogonal gain of hidden layers.
const HIDDEN_GAIN: f32 = std::f32::consts::SQRT_2;

impl Network {
    /// The network that `settings` describe for `observation`, with `heads` on top.
    ///
    /// # Errors
    /// Where the body cannot take the observation.
    pub fn new(
        settings: &ModelSettings,
        observation: &ObservationSpace,
        heads: &[Head],
    ) -> Result<Self, ModelError> {
        if observation.is_empty() {
            return Err(ModelError::EmptyObservation(observation.shape.clone()));
        }
        let convolutions = convolutions(settings.body, observation)?;
        let hidden: &[usize] = match settings.body {
            Body::Mlp => &settings.hidden,
            Body::A3cConv => &[256],
            Body::NatureConv => &[512],
        };
        let mut inputs = flattened(&convolutions, observation);
        let mut linear = |outputs: usize| {
            let layer = Layer::Linear { inputs, outputs };
            inputs = outputs;
            layer
        };
        let linears: Vec<Layer> = hidden.iter().map(|outputs| linear(*outputs)).collect();
        let head_layers: Vec<Layer> = heads
            .iter()
            .map(|head| Layer::Linear {
                inputs,
                outputs: head.outputs,
            })
            .collect();
        let body = convolutions.iter().chain(&linears).enumerate();
        let initialization: Initialization = settings.initialization;
        let body = body.flat_map(|(i, layer)| {
            layer.tensors(&format!("body.{i}"), initialization, HIDDEN_GAIN)
        });
        let tops = head_layers.iter().zip(heads);
        let tops =
            tops.flat_map(|(layer, head)| layer.tensors(head.name, initialization, head.gain));
        Ok(Self {
            layout: Layout::new(body.chain(tops).collect())?,
            activation: if convolutions.is_empty() {
                settings.activation
            } else {
                Activation::Relu
            },
            convolutions,
            linears,
            heads: head_layers,
            pixels: observation.element == ElementType::U8,
        })
    }

    /// Names, shapes and initialisers of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// One output `[B, O]` for each head, from observations `[B, …]`.
    ///
    /// # Panics
    /// Where `observations` or `parameters` are not this network's.
    pub fn forward(&self, parameters: &Parameters, observations: &Tensor) -> Vec<Tensor> {
        let mut tensors = parameters.tensors().chunks_exact(2);
        let mut next = || match tensors.next() {
            Some([weight, bias]) => (weight, bias),
            _ => panic!("the parameters have fewer tensors than the network's layout"),
        };
        let mut x = observations.to_kind(parameters.kind());
        let layers = self.convolutions.iter().chain(&self.linears);
        for (index, layer) in layers.enumerate() {
            if index == self.convolutions.len() {
                x = x.flatten(1, -1);
            }
            let (weight, bias) = next();
            // Bytes become [0, 1] by scaling the first layer's few weights, not the many pixels.
            let scaled = (index == 0 && self.pixels).then(|| weight * (1.0 / 255.0));
            x = activate(
                &layer.forward(&x, scaled.as_ref().unwrap_or(weight), bias),
                self.activation,
            );
        }
        let outputs = |head: &Layer| {
            let (weight, bias) = next();
            head.forward(&x, weight, bias)
        };
        self.heads.iter().map(outputs).collect()
    }

    /// Room for this network's parameters, zeros at first.
    pub fn parameters(&self) -> Parameters {
        Parameters::new(&self.layout, Kind::Float)
    }
}

fn convolutions(body: Body, observation: &ObservationSpace) -> Result<Vec<Layer>, ModelError> {
    // Output channels, kernel, stride.
    let (name, smallest, shapes): (_, _, &[(usize, usize, usize)]) = match body {
        Body::Mlp => return Ok(Vec::new()),
        Body::A3cConv => ("a3c_conv", 20, &[(16, 8, 4), (32, 4, 2)]),
        Body::NatureConv => ("nature_conv", 36, &[(32, 8, 4), (64, 4, 2), (64, 3, 1)]),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(height: usize, width: usize) -> ObservationSpace {
        ObservationSpace {
            shape: vec![4, height, width],
            element: ElementType::U8,
        }
    }

    fn settings(body: Body) -> ModelSettings {
        ModelSettings {
            body,
            ..ModelSettings::default()
        }
    }

    const HEADS: [Head; 2] = [
        Head {
            name: "policy",
            outputs: 6,
            gain: 0.01,
        },
        Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
        },
    ];

    #[test]
    fn the_published_nets_have_their_published_sizes() {
        let check = |body, expected| {
            let network = Network::new(&settings(body), &pixels(84, 84), &HEADS).unwrap();
            assert_eq!(network.layout().len(), expected);
        };
        // conv 4→16 8×8, conv 16→32 4×4, fc 2592→256, heads 256→6 and 256→1
        check(
            Body::A3cConv,
            4 * 16 * 64 + 16 + 16 * 32 * 16 + 32 + 2592 * 256 + 256 + 256 * 7 + 7,
        );
        // conv 4→32 8×8, conv 32→64 4×4, conv 64→64 3×3, fc 3136→512, heads
        let nature = 4 * 32 * 64
            + 32
            + 32 * 64 * 16
            + 64
            + 64 * 64 * 9
            + 64
            + 3136 * 512
            + 512
            + 512 * 7
            + 7;
        check(Body::NatureConv, nature);
    }

    #[test]
    fn outputs_have_a_row_an_observation() {
        for (body, observation) in [
            (Body::A3cConv, pixels(84, 84)),
            (Body::NatureConv, pixels(84, 96)),
            (Body::Mlp, pixels(10, 10)),
            (
                Body::Mlp,
                ObservationSpace {
                    shape: vec![4],
                    element: ElementType::F32,
                },
            ),
        ] {
            let network = Network::new(&settings(body), &observation, &HEADS).unwrap();
            let mut parameters = network.parameters();
            parameters.load(&network.layout().initialize(1));
            let kind = if observation.element == ElementType::U8 {
                Kind::Uint8
            } else {
                Kind::Float
            };
            let mut shape = vec![3];
            shape.extend(observation.shape.iter().map(|axis| *axis as i64));
            let input = Tensor::ones(shape.as_slice(), (kind, tch::Device::Cpu));
            let outputs = network.forward(&parameters, &input);
            assert_eq!(
                outputs.iter().map(Tensor::size).collect::<Vec<_>>(),
                [[3, 6], [3, 1]]
            );
        }
    }

    #[test]
    fn bytes_count_from_zero_to_one() {
        let floats = ObservationSpace {
            shape: vec![3],
            element: ElementType::F32,
        };
        let bytes = ObservationSpace {
            shape: vec![3],
            element: ElementType::U8,
        };
        let on_floats = Network::new(&settings(Body::Mlp), &floats, &HEADS).unwrap();
        let on_bytes = Network::new(&settings(Body::Mlp), &bytes, &HEADS).unwrap();
        let mut parameters = on_floats.parameters();
        parameters.load(&on_floats.layout().initialize(1));
        let a = on_floats.forward(
            &parameters,
            &Tensor::from_slice(&[0.0_f32, 0.2, 1.0]).view([1, 3]),
        );
        let b = on_bytes.forward(
            &parameters,
            &Tensor::from_slice(&[0_u8, 51, 255]).view([1, 3]),
        );
        assert!(a[0].allclose(&b[0], 1e-4, 1e-6, false));
    }

    #[test]
    fn a_body_that_does_not_fit_is_refused() {
        let vector = ObservationSpace {
            shape: vec![4],
            element: ElementType::F32,
        };
        for observation in [vector, pixels(16, 84)] {
            let error = Network::new(&settings(Body::A3cConv), &observation, &HEADS).unwrap_err();
            assert!(matches!(error, ModelError::NeedsPixels { .. }));
        }
    }
}
