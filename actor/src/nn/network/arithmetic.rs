use super::action_head::ActionHead;
use super::body::Body;
use super::layer::Layer;
use super::output::Output;

/// What a network computes for one observation, in multiply-adds: matrix products and convolutions, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// From the observation to the outputs.
    pub forward: u64,
    /// From a loss's gradient at the outputs to that of the parameters.
    pub backward: u64,
}

impl Arithmetic {
    pub(super) fn of(bodies: &[Body], heads: &[Output], action_head: Option<ActionHead>) -> Self {
        let on_bodies = heads.iter().filter_map(|head| match head {
            Output::OnBody { layer, .. } => Some(multiply_adds(*layer)),
            Output::Free { .. } => None,
        });
        let of_action = action_head.map_or(0, |head| head.layers().map(multiply_adds).iter().sum());
        let forward = bodies.iter().map(of_body).sum::<u64>() + on_bodies.sum::<u64>() + of_action;
        // Each product once for the weights and once for what came in, which nobody asks of an observation.
        let backward = 2 * forward - bodies.iter().map(of_first).sum::<u64>();
        Self { forward, backward }
    }
}

fn of_body(body: &Body) -> u64 {
    let layers = body.convolutions.iter().chain(&body.linears);
    let of_lstm = body.lstm.map_or(0, |lstm| {
        4 * lstm.units as u64 * (lstm.inputs + lstm.units) as u64
    });
    layers.map(|layer| multiply_adds(*layer)).sum::<u64>() + of_lstm
}

/// The products of a body's first layer with an observation.
fn of_first(body: &Body) -> u64 {
    let mut layers = body.convolutions.iter().chain(&body.linears);
    match (layers.next(), body.lstm) {
        (Some(layer), _) => multiply_adds(*layer),
        (None, Some(lstm)) => 4 * (lstm.units * lstm.inputs) as u64,
        (None, None) => 0,
    }
}

fn multiply_adds(layer: Layer) -> u64 {
    let places: usize = layer.output_size().iter().product();
    let of_place = match layer {
        Layer::Linear { inputs, outputs } => inputs * outputs,
        Layer::Convolution {
            inputs,
            outputs,
            kernel,
            ..
        } => inputs * outputs * kernel * kernel,
    };
    (places * of_place) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Network;
    use crate::nn::testing::HEADS;
    use troop_common::experiment::{Body as Kind, ModelSettings};
    use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

    fn arithmetic(settings: &ModelSettings, shape: &[usize]) -> Arithmetic {
        let spaces = Spaces {
            observation: ObservationSpace {
                shape: shape.to_vec(),
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 2 },
        };
        let heads = [HEADS[0], HEADS[2]];
        let network = Network::new(settings, &spaces, &heads).unwrap();
        network.arithmetic()
    }

    #[test]
    fn that_of_a_small_net_is_counted_by_hand() {
        let settings = ModelSettings {
            body: Kind::Mlp,
            hidden: vec![5, 3],
            ..ModelSettings::default()
        };
        let outputs = (HEADS[0].outputs + HEADS[2].outputs) as u64;
        let forward = 4 * 5 + 5 * 3 + 3 * outputs;
        let expected = Arithmetic {
            forward,
            backward: 2 * forward - 4 * 5,
        };
        assert_eq!(arithmetic(&settings, &[4]), expected);
    }

    #[test]
    fn an_lstm_has_four_gates_and_a_body_of_its_own_is_computed_too() {
        let settings = ModelSettings {
            body: Kind::Mlp,
            hidden: Vec::new(),
            lstm: Some(6),
            separate_value: true,
            ..ModelSettings::default()
        };
        let outputs = (HEADS[0].outputs + HEADS[2].outputs) as u64;
        let forward = 2 * (4 * 6 * (4 + 6)) + 6 * outputs;
        let expected = Arithmetic {
            forward,
            backward: 2 * forward - 2 * (4 * 6 * 4),
        };
        assert_eq!(arithmetic(&settings, &[4]), expected);
    }

    #[test]
    fn a_convolution_is_computed_at_each_place() {
        let settings = ModelSettings {
            body: Kind::A3cConv,
            ..ModelSettings::default()
        };
        let outputs = (HEADS[0].outputs + HEADS[2].outputs) as u64;
        let first = 20 * 20 * 4 * 16 * 64;
        let forward = first + 9 * 9 * 16 * 32 * 16 + 2592 * 256 + 256 * outputs;
        let expected = Arithmetic {
            forward,
            backward: 2 * forward - first,
        };
        assert_eq!(arithmetic(&settings, &[4, 84, 84]), expected);
    }
}
