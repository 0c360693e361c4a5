//! What holds for every backend.

use std::sync::Arc;

use troop_common::experience::{ObservationBuffer, Observations};
use troop_common::experiment::{Body, ModelSettings};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::testing::{BACKENDS, HEADS};
use super::{Input, Model, ModelBackend, Network};

fn space(shape: &[usize], element: ElementType) -> ObservationSpace {
    ObservationSpace {
        shape: shape.to_vec(),
        element,
    }
}

fn spaces(observation: &ObservationSpace) -> Spaces {
    Spaces {
        observation: observation.clone(),
        action: ActionSpace::Discrete { n: 2 },
    }
}

fn drawn(backend: ModelBackend, body: Body, observation: &ObservationSpace) -> Box<dyn Model> {
    let settings = ModelSettings {
        body,
        ..ModelSettings::default()
    };
    let network = Arc::new(Network::new(&settings, &spaces(observation), &HEADS).unwrap());
    let mut model = backend.model(&network);
    model.load(&network.layout().initialize(1));
    model
}

#[test]
fn outputs_have_a_row_an_observation() {
    let bytes = ElementType::U8;
    for backend in BACKENDS {
        for (body, space) in [
            (Body::A3cConv, space(&[4, 84, 84], bytes)),
            (Body::NatureConv, space(&[4, 84, 96], bytes)),
            (Body::Mlp, space(&[4, 10, 10], bytes)),
            (Body::Mlp, space(&[4], ElementType::F32)),
        ] {
            let mut model = drawn(*backend, body, &space);
            let mut shown = ObservationBuffer::new(&space);
            match space.element {
                ElementType::U8 => shown.extend(Observations::U8(&vec![1; 3 * space.len()]), None),
                ElementType::F32 => shown.extend(Observations::F32(&[1.0; 12]), None),
            }
            let outputs = model.evaluate(&Input::stateless(&shown));
            let lengths: Vec<usize> = outputs.heads.iter().map(Vec::len).collect();
            assert_eq!(lengths, [18, 6, 3], "{backend:?} {body:?}");
            assert_eq!(outputs.heads[1], [-0.5; 6]);
        }
    }
}

#[test]
fn bytes_count_from_zero_to_one() {
    for backend in BACKENDS {
        let spaces = [space(&[3], ElementType::F32), space(&[3], ElementType::U8)];
        let numbers = [
            Observations::F32(&[0.0, 0.2, 1.0]),
            Observations::U8(&[0, 51, 255]),
        ];
        let made = [0, 1].map(|i| {
            let mut model = drawn(*backend, Body::Mlp, &spaces[i]);
            let mut shown = ObservationBuffer::new(&spaces[i]);
            shown.extend(numbers[i], None);
            model.evaluate(&Input::stateless(&shown)).heads[0].clone()
        });
        for (a, b) in made[0].iter().zip(&made[1]) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[cfg(feature = "torch")]
mod beside_torch {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use troop_common::experience::{Actions, End, RecurrentState, Segment};
    use troop_common::experiment::Activation;

    use super::*;
    use crate::nn::OutputGradients;

    const ENVIRONMENTS: usize = 3;
    const STEPS: usize = 5;

    /// A segment with ends of each kind inside.
    fn segment(observation: &ObservationSpace, state_len: usize, rng: &mut ChaCha8Rng) -> Segment {
        let mut segment = Segment::new(ENVIRONMENTS, &spaces(observation));
        let mut state = RecurrentState::new(ENVIRONMENTS, state_len);
        let initial = floats(ENVIRONMENTS * state_len, rng);
        state.carry(initial, &[End::Continues; ENVIRONMENTS]);
        segment.restart(&state, 0);
        let elements = STEPS * ENVIRONMENTS * observation.len();
        match observation.element {
            ElementType::F32 => {
                let all = floats(elements, rng);
                segment.observations.extend(Observations::F32(&all), None);
            }
            ElementType::U8 => {
                let mut all = vec![0; elements];
                rng.fill_bytes(&mut all);
                segment.observations.extend(Observations::U8(&all), None);
            }
        }
        segment.ends = vec![End::Continues; STEPS * ENVIRONMENTS];
        segment.ends[4] = End::Truncated;
        segment.ends[8] = End::Terminated;
        segment.ends[12] = End::LifeLost;
        let actions = (0..STEPS * ENVIRONMENTS).map(|i| (i * 7 % 5 % 2) as i64);
        segment
            .actions
            .extend(&Actions::Discrete(actions.collect()));
        segment.rewards = floats(STEPS * ENVIRONMENTS, rng);
        segment
    }

    fn floats(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// The first that is further than 1e-5 of the largest from what is expected.
    fn first_apart(found: &[f32], expected: &[f32]) -> Option<String> {
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let apart = |(found, expected): (&f32, &f32)| {
            let within = (found - expected).abs() <= 1e-5 * largest.max(1e-3);
            (!within).then(|| format!("{found} for {expected}"))
        };
        let mut pairs = found.iter().zip(expected).map(apart).enumerate();
        pairs.find_map(|(i, apart)| Some(format!("{i}: {}", apart?)))
    }

    fn settings(change: impl FnOnce(&mut ModelSettings)) -> ModelSettings {
        let mut settings = ModelSettings::default();
        change(&mut settings);
        settings
    }

    /// Every kind of body, with and without an LSTM, shared and apart.
    fn networks() -> Vec<(ModelSettings, ObservationSpace)> {
        let vector = || space(&[7], ElementType::F32);
        let pixels = |side| space(&[4, side, side], ElementType::U8);
        vec![
            (settings(|_| {}), vector()),
            (settings(|model| model.hidden.clear()), vector()),
            (
                settings(|model| model.activation = Activation::Relu),
                vector(),
            ),
            (settings(|model| model.separate_value = true), vector()),
            (settings(|model| model.lstm = Some(9)), vector()),
            (
                settings(|model| {
                    model.lstm = Some(5);
                    model.separate_value = true;
                }),
                vector(),
            ),
            (
                settings(|model| {
                    model.lstm = Some(9);
                    model.previous_step = true;
                }),
                vector(),
            ),
            (
                settings(|model| {
                    model.lstm = Some(5);
                    model.separate_value = true;
                    model.previous_step = true;
                }),
                vector(),
            ),
            (settings(|model| model.body = Body::A3cConv), pixels(84)),
            (settings(|model| model.body = Body::NatureConv), pixels(84)),
            (settings(|model| model.body = Body::MinatarConv), pixels(10)),
            (
                settings(|model| {
                    model.body = Body::A3cConv;
                    model.spatial_softmax = true;
                }),
                pixels(84),
            ),
            (
                settings(|model| {
                    model.body = Body::A3cConv;
                    model.lstm = Some(16);
                }),
                pixels(42),
            ),
        ]
    }

    #[test]
    fn outputs_states_and_gradients_are_torchs() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for (settings, observation) in networks() {
            for with_actions in [false, true] {
                // What goes into a rectifier may be so near to 0 that it rounds to either side, and its gradient is 0 or
                // not: seldom, and not with three draws in a row.
                let draws =
                    (0..3).map(|_| compare(&settings, &observation, with_actions, &mut rng));
                let apart: Vec<String> = draws.map_while(|apart| apart).collect();
                let context = format!("{settings:?}, actions judged: {with_actions}");
                assert!(apart.len() < 3, "{context}: {apart:?}");
            }
        }
    }

    fn compare(
        settings: &ModelSettings,
        observation: &ObservationSpace,
        with_actions: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<String> {
        let mut network = Network::new(settings, &spaces(observation), &HEADS).unwrap();
        if with_actions {
            network = network.with_action_head(settings, "advantage", 2).unwrap();
        }
        let network = Arc::new(network);
        let segment = segment(observation, network.state_len(), rng);
        let rows = segment.ends.len();
        let actions = floats(if with_actions { rows * 4 * 2 } else { 0 }, rng);
        let gradients = OutputGradients {
            heads: HEADS.map(|head| floats(rows * head.outputs, rng)).to_vec(),
            judgements: floats(actions.len() / 2, rng),
        };
        let parameters = network.layout().initialize(3);
        let [native, torch] = [ModelBackend::Native, ModelBackend::Torch].map(|backend| {
            let mut model = backend.model(&network);
            model.load(&parameters);
            model.forward(&Input::segment(&segment));
            let judged = match with_actions {
                true => model.judge(&actions).to_vec(),
                false => Vec::new(),
            };
            let mut gradient = vec![f32::NAN; parameters.len()];
            let outputs = model.outputs().clone();
            model.backward(&gradients, &mut gradient);
            (outputs, judged, gradient)
        });
        let heads = native.0.heads.iter().zip(&torch.0.heads);
        let heads = heads.map(|(native, torch)| (native.as_slice(), torch.as_slice()));
        let others = [
            (&native.0.state, &torch.0.state),
            (&native.0.cut_state, &torch.0.cut_state),
            (&native.1, &torch.1),
            (&native.2, &torch.2),
        ];
        let others = others.map(|(native, torch)| (native.as_slice(), torch.as_slice()));
        let mut all = heads.chain(others);
        all.find_map(|(native, torch)| first_apart(native, torch))
    }
}
