//! Bodies, and the heads on top of them.

use tch::{Kind, Tensor};
use troop_common::experience::{End, Segment};
use troop_common::experiment::ModelSettings;
use troop_common::layout::Layout;
use troop_common::spaces::ObservationSpace;

use super::action_head::ActionHead;
use super::body::Body;
use super::error::ModelError;
use super::head::{Head, HeadKind};
use super::layer::Layer;
use super::lstm::Unrolled;
use super::outputs::Outputs;
use super::parameters::Parameters;
use crate::nn::tensors;

/// A network without its parameters: how observations become the heads' outputs.
#[derive(Clone, Debug)]
pub struct Network {
    layout: Layout,
    /// One for all heads, or one for those that act and one for those that judge.
    bodies: Vec<Body>,
    /// With the index of the body that each stands on.
    heads: Vec<(usize, Layer)>,
    /// Judges actions, on the body that judges states.
    action_head: Option<ActionHead>,
    /// Numbers of each environment's recurrent state, `S`.
    state_len: usize,
}

impl Network {
    /// The network that `settings` describe for `observation`, with `heads` on top.
    ///
    /// # Errors
    /// If a body cannot take the observation.
    pub fn new(
        settings: &ModelSettings,
        observation: &ObservationSpace,
        heads: &[Head],
    ) -> Result<Self, ModelError> {
        if observation.is_empty() {
            return Err(ModelError::EmptyObservation(observation.shape.clone()));
        }
        let prefixes: &[&str] = match settings.separate_value {
            true => &["", "value_"],
            false => &[""],
        };
        let body = Body::new(settings, observation)?;
        let mut tensors: Vec<_> = prefixes
            .iter()
            .flat_map(|prefix| body.tensors(settings, prefix))
            .collect();
        let mut head_layers = Vec::new();
        for head in heads {
            let layer = Layer::Linear {
                inputs: body.outputs(),
                outputs: head.outputs,
            };
            tensors.extend(layer.tensors(head.name, settings.initialization, head.gain));
            let separate = settings.separate_value && head.kind == HeadKind::Judges;
            head_layers.push((usize::from(separate), layer));
        }
        Ok(Self {
            layout: Layout::new(tensors)?,
            state_len: prefixes.len() * body.state_len(),
            bodies: vec![body; prefixes.len()],
            heads: head_layers,
            action_head: None,
        })
    }

    /// The same with a head that judges actions of so many dimensions, on top of what judges states. Its
    /// hidden layer is as wide as that.
    ///
    /// # Errors
    /// If its name is taken.
    pub fn with_action_head(
        self,
        settings: &ModelSettings,
        name: &str,
        dimensions: usize,
    ) -> Result<Self, ModelError> {
        let body = &self.bodies[self.bodies.len() - 1];
        let features = body.outputs();
        let head = ActionHead::new(features, dimensions, features, body.activation());
        let tensors = self.layout.ranges().map(|(spec, _)| spec.clone());
        let tensors = tensors.chain(head.tensors(name, settings.initialization));
        Ok(Self {
            layout: Layout::new(tensors.collect())?,
            action_head: Some(head),
            ..self
        })
    }

    /// Names, shapes and initialisers of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Numbers of each environment's recurrent state, `S`; 0 without an LSTM.
    pub fn state_len(&self) -> usize {
        self.state_len
    }

    /// One step of environments that have not just ended: observations `[E, …]`, state `[E, S]`.
    ///
    /// # Panics
    /// If observations, state or parameters are not this network's.
    pub fn step(&self, parameters: &Parameters, observations: &Tensor, state: &Tensor) -> Outputs {
        let ends = vec![End::Continues; state.size()[0] as usize];
        self.unroll(parameters, observations, state, &ends)
    }

    /// All of a segment's steps from its initial state.
    ///
    /// # Panics
    /// If the segment or the parameters are not this network's.
    pub fn segment(&self, parameters: &Parameters, segment: &Segment) -> Outputs {
        self.unroll(
            parameters,
            &tensors::observations(&segment.observations),
            &tensors::state(&segment.initial_state),
            &segment.ends,
        )
    }

    /// Observations `[N, …]` of a network without recurrent state.
    ///
    /// # Panics
    /// If observations or parameters are not this network's, or it has an LSTM.
    pub fn stateless(&self, parameters: &Parameters, observations: &Tensor) -> Outputs {
        let rows = observations.size()[0];
        let state = Tensor::zeros([rows, 0], (parameters.kind(), observations.device()));
        self.step(parameters, observations, &state)
    }

    /// One number for each action, `[N, M]`, from [`Outputs::judging_features`] `[N, F]` and actions `[N, M, D]`.
    ///
    /// # Panics
    /// If it has no head for actions.
    pub fn judge(&self, parameters: &Parameters, features: &Tensor, actions: &Tensor) -> Tensor {
        let Some(head) = self.action_head else {
            panic!("this network has no head for actions")
        };
        let tensors = parameters.tensors();
        let own = &tensors[tensors.len() - ActionHead::TENSORS..];
        head.forward(own, features, actions)
    }

    /// Observations `[T·E, …]` in the order of time, from the state `[E, S]`; the step after an end
    /// (`ends` are `[T, E]`) starts from zeros.
    fn unroll(
        &self,
        parameters: &Parameters,
        observations: &Tensor,
        state: &Tensor,
        ends: &[End],
    ) -> Outputs {
        let observations = observations.to_kind(parameters.kind());
        let mut tensors = parameters.tensors();
        let mut state_start = 0;
        let mut unrolled = Vec::new();
        for body in &self.bodies {
            let (own, rest) = tensors.split_at(body.tensor_count());
            tensors = rest;
            let len = body.state_len() as i64;
            let state = state.narrow(1, state_start, len);
            state_start += len;
            unrolled.push(body.unroll(own, observations.shallow_clone(), &state, ends));
        }
        let heads = self.heads.iter().zip(tensors.chunks_exact(2));
        let output = |((body, layer), tensors): (&(usize, Layer), &[Tensor])| {
            layer.forward(&unrolled[*body].outputs, &tensors[0], &tensors[1])
        };
        let together = |part: fn(&Unrolled) -> &Tensor| match &unrolled[..] {
            [one] => part(one).shallow_clone(),
            bodies => Tensor::cat(&bodies.iter().map(part).collect::<Vec<_>>(), 1),
        };
        Outputs {
            heads: heads.map(output).collect(),
            judging_features: match &unrolled[..] {
                [.., last] => last.outputs.shallow_clone(),
                [] => panic!("a network has a body"),
            },
            state: together(|unrolled| &unrolled.last),
            cut_state: together(|unrolled| &unrolled.cut),
        }
    }

    /// Room for this network's parameters, zeros at first.
    pub fn parameters(&self) -> Parameters {
        Parameters::new(&self.layout, Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device::DEVICE;
    use troop_common::experiment::Body;
    use troop_common::spaces::ElementType;

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

    fn no_state(environments: usize) -> Tensor {
        Tensor::zeros([environments as i64, 0], (Kind::Float, DEVICE))
    }

    const HEADS: [Head; 2] = [
        Head {
            name: "policy",
            outputs: 6,
            gain: 0.01,
            kind: HeadKind::Acts,
        },
        Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
            kind: HeadKind::Judges,
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
            let outputs = network.step(&parameters, &input, &no_state(3));
            assert_eq!(
                outputs.heads.iter().map(Tensor::size).collect::<Vec<_>>(),
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
        let a = on_floats.step(
            &parameters,
            &Tensor::from_slice(&[0.0_f32, 0.2, 1.0]).view([1, 3]),
            &no_state(1),
        );
        let b = on_bytes.step(
            &parameters,
            &Tensor::from_slice(&[0_u8, 51, 255]).view([1, 3]),
            &no_state(1),
        );
        assert!(a.heads[0].allclose(&b.heads[0], 1e-4, 1e-6, false));
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
