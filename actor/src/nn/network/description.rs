use troop_common::experiment::ModelSettings;
use troop_common::layout::Layout;
use troop_common::spaces::Spaces;

use super::action_head::ActionHead;
use super::arithmetic::Arithmetic;
use super::body::Body;
use super::error::ModelError;
use super::head::Head;
use super::output::Output;
use super::previous_step::PreviousStep;

/// A network without its parameters: how observations become the heads' outputs.
#[derive(Clone, Debug)]
pub struct Network {
    pub(in crate::nn) layout: Layout,
    /// One for all heads, or one for those that act and one for those that judge.
    pub(in crate::nn) bodies: Vec<Body>,
    pub(in crate::nn) heads: Vec<Output>,
    /// Judges actions, on the body that judges states.
    pub(in crate::nn) action_head: Option<ActionHead>,
    /// What LSTMs take of the step before.
    pub(in crate::nn) previous: PreviousStep,
    /// Numbers of each environment's recurrent state, `S`.
    state_len: usize,
}

impl Network {
    /// The network that `settings` describe for an environment's spaces, with `heads` on top.
    ///
    /// # Errors
    /// If a body cannot take the observation.
    pub fn new(
        settings: &ModelSettings,
        spaces: &Spaces,
        heads: &[Head],
    ) -> Result<Self, ModelError> {
        let observation = &spaces.observation;
        if observation.is_empty() {
            return Err(ModelError::EmptyObservation(observation.shape.clone()));
        }
        let prefixes: &[&str] = match settings.separate_value {
            true => &["", "value_"],
            false => &[""],
        };
        let previous = PreviousStep::new(settings, &spaces.action);
        let body = Body::new(settings, observation, previous.len())?;
        let state_len = prefixes.len() * body.state_len() + previous.len();
        let mut tensors: Vec<_> = prefixes
            .iter()
            .flat_map(|prefix| body.tensors(settings, prefix))
            .collect();
        let mut outputs = Vec::new();
        for head in heads {
            let output = Output::of(head, settings, body.outputs);
            tensors.extend(output.tensors(head, settings.initialization));
            outputs.push(output);
        }
        Ok(Self {
            layout: Layout::new(tensors)?,
            previous: previous.in_states_of(state_len),
            state_len,
            bodies: vec![body; prefixes.len()],
            heads: outputs,
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
        let features = body.outputs;
        let head = ActionHead::new(features, dimensions, features);
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

    /// What LSTMs take of the step before: who steps environments notes it in their states.
    pub fn previous_step(&self) -> &PreviousStep {
        &self.previous
    }

    /// Numbers of each environment's recurrent state, `S`; 0 without an LSTM.
    pub fn state_len(&self) -> usize {
        self.state_len
    }

    /// What it computes for one observation.
    pub fn arithmetic(&self) -> Arithmetic {
        Arithmetic::of(&self.bodies, &self.heads, self.action_head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::HEADS;
    use troop_common::experiment::Body;
    use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace};

    fn showing(shape: &[usize], element: ElementType) -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: shape.to_vec(),
                element,
            },
            action: ActionSpace::Discrete { n: 6 },
        }
    }

    fn pixels(height: usize, width: usize) -> Spaces {
        showing(&[4, height, width], ElementType::U8)
    }

    fn settings(body: Body) -> ModelSettings {
        ModelSettings {
            body,
            ..ModelSettings::default()
        }
    }

    #[test]
    fn the_published_nets_have_their_published_sizes() {
        let check = |body, expected| {
            let heads = [HEADS[0], HEADS[2]];
            let network = Network::new(&settings(body), &pixels(84, 84), &heads).unwrap();
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
        // conv 4→16 3×3, fc 1024→128, heads
        let heads = [HEADS[0], HEADS[2]];
        let network = Network::new(&settings(Body::MinatarConv), &pixels(10, 10), &heads);
        let minatar = 4 * 16 * 9 + 16 + 1024 * 128 + 128 + 128 * 7 + 7;
        assert_eq!(network.unwrap().layout().len(), minatar);
    }

    /// Two numbers a channel go on in place of 9 × 9.
    #[test]
    fn a_spatial_softmax_leaves_two_numbers_a_channel() {
        let settings = ModelSettings {
            spatial_softmax: true,
            ..settings(Body::A3cConv)
        };
        let network = Network::new(&settings, &pixels(84, 84), &[HEADS[0], HEADS[2]]).unwrap();
        let convolutions = 4 * 16 * 64 + 16 + 16 * 32 * 16 + 32;
        let expected = convolutions + 64 * 256 + 256 + 256 * 7 + 7;
        assert_eq!(network.layout().len(), expected);
    }

    #[test]
    fn a_free_head_is_one_tensor_that_stands_where_it_was_named() {
        let heads = Network::new(&settings(Body::Mlp), &pixels(2, 2), &HEADS).unwrap();
        let [.., free, weight, bias] = heads.layout().tensors() else {
            panic!("more than three tensors")
        };
        assert_eq!((free.name.as_str(), &free.shape[..]), ("free", &[2][..]));
        assert_eq!([&weight.name, &bias.name], ["value.weight", "value.bias"]);
        let first = heads.layout().initialize(1);
        let before = weight.len() + bias.len();
        assert_eq!(first[first.len() - before - 2..][..2], [-0.5; 2]);
    }

    #[test]
    fn a_body_that_does_not_fit_is_refused() {
        let vector = showing(&[4], ElementType::F32);
        for observation in [vector, pixels(16, 84)] {
            let error = Network::new(&settings(Body::A3cConv), &observation, &HEADS).unwrap_err();
            assert!(matches!(error, ModelError::NeedsPixels { .. }));
        }
    }
}
