//! The model against the reference, and against itself.

mod bfloat16;

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Observations};
use troop_common::experiment::{Activation, Body, ModelSettings};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::NativeModel;
use super::kernel::product_tests::{architectures, random};
use super::reference::{forward, loss, slope};
use crate::nn::input::{Done, Input};
use crate::nn::model::Model;
use crate::nn::network::{Head, HeadKind, Layer, Network, Output};
use crate::nn::outputs::{OutputGradients, Outputs};

const HEADS: [Head; 3] = [
    Head {
        name: "policy",
        outputs: 3,
        gain: 0.5,
        kind: HeadKind::Acts,
    },
    Head {
        name: "free",
        outputs: 2,
        gain: 1.0,
        kind: HeadKind::Free { initial: 0.5 },
    },
    Head {
        name: "value",
        outputs: 1,
        gain: 1.0,
        kind: HeadKind::Judges,
    },
];

/// A network, its parameters, and something to look at.
struct Case {
    network: Arc<Network>,
    parameters: Vec<f32>,
    observations: ObservationBuffer,
    state: Vec<f32>,
    ends: Vec<End>,
    /// What was done in each row, of two choices, and what it was worth.
    done: (Actions, Vec<f32>),
    environments: usize,
    actions: Vec<f32>,
    of: OutputGradients,
    rng: ChaCha8Rng,
}

impl Case {
    fn new(
        settings: &ModelSettings,
        space: &ObservationSpace,
        [steps, environments]: [usize; 2],
    ) -> Self {
        let network = Network::new(settings, &spaces(space), &HEADS).unwrap();
        Self::of(network, space, [steps, environments], 0)
    }

    fn of(
        network: Network,
        space: &ObservationSpace,
        [steps, environments]: [usize; 2],
        actions: usize,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let rows = steps * environments;
        let parameters = random(network.layout.len(), &mut rng)
            .into_iter()
            .map(|value| value * 0.6)
            .collect();
        let observations = observe(space, rows, &mut rng);
        let outputs: Vec<usize> = network
            .heads
            .iter()
            .map(|output| match output {
                Output::Free { outputs }
                | Output::OnBody {
                    layer: Layer::Linear { outputs, .. },
                    ..
                } => *outputs,
                Output::OnBody { .. } => 0,
            })
            .collect();
        let of = OutputGradients {
            heads: outputs
                .iter()
                .map(|outputs| random(rows * outputs, &mut rng))
                .collect(),
            judgements: random(rows * actions, &mut rng),
        };
        let ends = (0..rows)
            .map(|_| match rng.random_range(0..5) {
                0 => End::Truncated,
                1 => End::Terminated,
                2 => End::LifeLost,
                _ => End::Continues,
            })
            .collect();
        let taken = (0..rows).map(|_| rng.random_range(0..2)).collect();
        Self {
            state: random(environments * network.state_len(), &mut rng),
            done: (Actions::Discrete(taken), random(rows, &mut rng)),
            network: Arc::new(network),
            parameters,
            observations,
            ends,
            environments,
            actions: Vec::new(),
            of,
            rng,
        }
    }

    fn input(&self) -> Input<'_> {
        Input {
            observations: std::borrow::Cow::Borrowed(&self.observations),
            state: std::borrow::Cow::Borrowed(&self.state),
            ends: &self.ends,
            done: Some(Done {
                actions: std::borrow::Cow::Borrowed(&self.done.0),
                rewards: std::borrow::Cow::Borrowed(&self.done.1),
            }),
        }
    }

    fn model(&self) -> NativeModel {
        let mut model = NativeModel::new(self.network.clone());
        model.load(&self.parameters);
        model
    }

    /// Outputs and gradient of a forward pass that nothing precedes.
    fn computed(&self, model: &mut NativeModel) -> (Outputs, Vec<f32>, Vec<f32>) {
        model.forward(&self.input());
        let judgements = match self.actions.is_empty() {
            true => Vec::new(),
            false => model.judge(&self.actions).to_vec(),
        };
        let mut gradient = vec![f32::NAN; self.parameters.len()];
        model.backward(&self.of, &mut gradient);
        (model.outputs().clone(), judgements, gradient)
    }

    /// Acts in all steps, as a worker does; gives what each step gave.
    fn act(&self, model: &mut NativeModel) -> Vec<Outputs> {
        model.begin_segment();
        let mut state = self.state.clone();
        let len = self.network.state_len();
        let mut all = Vec::new();
        for (step, ends) in self.ends.chunks(self.environments).enumerate() {
            let observations = self.rows(step * self.environments, ends.len());
            let input = Input {
                observations: std::borrow::Cow::Owned(observations),
                state: std::borrow::Cow::Owned(state.clone()),
                ends: &[],
                done: None,
            };
            let outputs = model.act(&input).clone();
            state.clone_from(&outputs.state);
            let rows: Vec<usize> = (step * self.environments..).take(ends.len()).collect();
            let actions = self.done.0.of_rows(&rows, self.ends.len());
            let rewards = &self.done.1[rows[0]..][..rows.len()];
            self.network
                .previous_step()
                .note(&actions, rewards, &mut state);
            for (environment, end) in ends.iter().enumerate() {
                if *end != End::Continues {
                    state[environment * len..][..len].fill(0.0);
                }
            }
            all.push(outputs);
        }
        all
    }

    fn rows(&self, first: usize, count: usize) -> ObservationBuffer {
        let mut rows = self.observations.clone();
        rows.clear();
        for row in first..first + count {
            rows.extend_one(self.observations.values(), None, row);
        }
        rows
    }

    /// One of its rows, of a network without a state.
    fn alone(&self, row: usize) -> Self {
        let of_row = |values: &Vec<f32>| {
            let len = values.len() / self.ends.len();
            values[row * len..][..len].to_vec()
        };
        Self {
            network: Arc::clone(&self.network),
            parameters: self.parameters.clone(),
            observations: self.rows(row, 1),
            state: Vec::new(),
            ends: vec![self.ends[row]],
            done: (
                self.done.0.of_rows(&[row], self.ends.len()),
                of_row(&self.done.1),
            ),
            environments: 1,
            actions: Vec::new(),
            of: OutputGradients {
                heads: self.of.heads.iter().map(of_row).collect(),
                judgements: Vec::new(),
            },
            rng: self.rng.clone(),
        }
    }

    fn check_against_reference(&mut self) {
        let parameters: Vec<f64> = self.parameters.iter().map(|x| f64::from(*x)).collect();
        let actions: Vec<f64> = self.actions.iter().map(|x| f64::from(*x)).collect();
        let mut model = self.model();
        let (outputs, judgements, gradient) = self.computed(&mut model);
        let (expected, judged) = forward(&self.network, &parameters, &self.input(), &actions);
        for (found, expected) in outputs.heads.iter().zip(&expected.heads) {
            close(found, expected, 2e-5);
        }
        close(&outputs.state, &expected.state, 2e-5);
        close(&outputs.cut_state, &expected.cut_state, 2e-5);
        close(&judgements, &judged, 2e-5);
        let all = 0..parameters.len();
        let largest = gradient.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let indices: Vec<usize> = match parameters.len() {
            0..1500 => all.collect(),
            len => (0..150).map(|_| self.rng.random_range(0..len)).collect(),
        };
        let loss =
            |parameters: &[f64]| loss(&self.network, parameters, &self.input(), &actions, &self.of);
        for index in indices {
            let expected = slope(loss, &parameters, index);
            let error = (f64::from(gradient[index]) - expected).abs();
            assert!(
                error < 1e-4 * (f64::from(largest) + 0.1),
                "{index}: {} for {expected}",
                gradient[index]
            );
        }
    }

    /// All instruction sets with fused multiply-adds compute the same bits.
    fn check_instruction_sets(&self) {
        let found: Vec<_> = architectures()[1..]
            .iter()
            .map(|arch| {
                let mut model = NativeModel::on(*arch, self.network.clone());
                model.load(&self.parameters);
                self.computed(&mut model)
            })
            .collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }

    /// The forward pass of what was acted in is the same bits as one of its own, and so is its gradient.
    fn check_reuse(&mut self) {
        let expected = self.computed(&mut self.model());
        let mut model = self.model();
        let steps = self.act(&mut model);
        let other = observe_like(&self.observations, 3, &mut self.rng);
        let asked = Input {
            observations: std::borrow::Cow::Borrowed(&other),
            state: std::borrow::Cow::Owned(vec![0.1; 3 * self.network.state_len()]),
            ends: &[],
            done: None,
        };
        let once = model.evaluate(&asked).clone();
        model.load(&self.parameters);
        assert!(model.holds_acted(&self.input()));
        let found = self.computed(&mut model);
        assert_eq!(found, expected);
        assert_eq!(model.evaluate(&asked), &once);
        assert_eq!(model.outputs(), &expected.0);
        for (head, all) in expected.0.heads.iter().enumerate() {
            let steps: Vec<f32> = steps
                .iter()
                .flat_map(|step| step.heads[head].clone())
                .collect();
            assert_eq!(&steps, all);
        }
    }
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < tolerance * (1.0 + expected.abs()),
            "{found} for {expected}"
        );
    }
}

fn observe(space: &ObservationSpace, rows: usize, rng: &mut ChaCha8Rng) -> ObservationBuffer {
    observe_like(&ObservationBuffer::new(space), rows, rng)
}

fn observe_like(like: &ObservationBuffer, rows: usize, rng: &mut ChaCha8Rng) -> ObservationBuffer {
    let mut buffer = like.clone();
    buffer.clear();
    let len = rows * buffer.shape().iter().product::<usize>();
    match like.values() {
        Observations::F32(_) => buffer.extend(Observations::F32(&random(len, rng)), None),
        Observations::U8(_) => {
            let bytes: Vec<u8> = (0..len).map(|_| rng.random_range(0..=255)).collect();
            buffer.extend(Observations::U8(&bytes), None);
        }
    }
    buffer
}

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

fn mlps() -> Vec<(ModelSettings, ObservationSpace)> {
    let mut all = Vec::new();
    for (hidden, shape, element, activation) in [
        (vec![], vec![4], ElementType::F32, Activation::Tanh),
        (vec![64, 64], vec![4], ElementType::F32, Activation::Tanh),
        (vec![7], vec![17], ElementType::F32, Activation::Relu),
        (
            vec![33, 5, 16],
            vec![3, 2],
            ElementType::F32,
            Activation::Tanh,
        ),
        (vec![10], vec![2, 3], ElementType::U8, Activation::Tanh),
        (vec![300, 250], vec![5], ElementType::F32, Activation::Relu),
    ] {
        for separate_value in [false, true] {
            let settings = ModelSettings {
                hidden: hidden.clone(),
                activation,
                separate_value,
                ..ModelSettings::default()
            };
            all.push((settings, space(&shape, element)));
        }
    }
    all
}

#[test]
fn mlps_are_what_they_are_by_definition() {
    for (settings, space) in mlps() {
        Case::new(&settings, &space, [3, 3]).check_against_reference();
    }
}

#[test]
fn mlps_reuse_what_was_computed_while_acting() {
    for (settings, space) in mlps() {
        Case::new(&settings, &space, [4, 5]).check_reuse();
    }
}

#[test]
fn bytes_that_are_numbers_are_not_scaled() {
    let settings = ModelSettings {
        hidden: vec![6],
        scale_bytes: false,
        ..ModelSettings::default()
    };
    let mut case = Case::new(&settings, &space(&[3], ElementType::U8), [2, 2]);
    case.parameters.iter_mut().for_each(|x| *x *= 0.01);
    case.check_against_reference();
}

#[test]
fn all_instruction_sets_with_fused_multiply_adds_agree() {
    let (settings, space) = &mlps()[2];
    Case::new(settings, space, [3, 3]).check_instruction_sets();
}

#[test]
fn other_parameters_or_other_observations_are_computed() {
    let (settings, space) = &mlps()[2];
    let mut case = Case::new(settings, space, [4, 2]);
    let mut model = case.model();
    case.act(&mut model);
    case.parameters[0] += 1.0;
    model.load(&case.parameters);
    assert!(!model.holds_acted(&case.input()));
    assert_eq!(case.computed(&mut model), case.computed(&mut case.model()));
    case.act(&mut model);
    case.observations = observe(space, 8, &mut case.rng);
    assert!(!model.holds_acted(&case.input()));
    assert_eq!(case.computed(&mut model), case.computed(&mut case.model()));
}

#[test]
#[should_panic(expected = "a forward pass with these parameters")]
fn a_gradient_needs_a_forward_pass_with_these_parameters() {
    let (settings, space) = &mlps()[2];
    let mut case = Case::new(settings, space, [4, 2]);
    let mut model = case.model();
    model.forward(&case.input());
    case.parameters[0] += 1.0;
    model.load(&case.parameters);
    model.backward(&case.of, &mut vec![0.0; case.parameters.len()]);
}

fn lstms() -> Vec<(ModelSettings, ObservationSpace)> {
    let mut all = Vec::new();
    for (hidden, lstm, separate_value, previous_step) in [
        (vec![6], 5, false, false),
        (vec![], 9, false, false),
        (vec![7, 4], 3, true, false),
        (vec![6], 5, false, true),
        (vec![], 4, false, true),
        (vec![7, 4], 3, true, true),
    ] {
        let settings = ModelSettings {
            hidden,
            lstm: Some(lstm),
            separate_value,
            previous_step,
            ..ModelSettings::default()
        };
        all.push((settings, space(&[4], ElementType::F32)));
    }
    all
}

#[test]
fn lstms_are_what_they_are_by_definition() {
    for (settings, space) in lstms() {
        Case::new(&settings, &space, [6, 3]).check_against_reference();
    }
    let (settings, space) = &lstms()[0];
    let mut case = Case::new(settings, space, [1, 3]);
    case.ends.clear();
    case.check_against_reference();
}

#[test]
fn lstms_reuse_what_was_computed_while_acting() {
    for (settings, space) in lstms() {
        for steps in [1, 2, 7] {
            Case::new(&settings, &space, [steps, 3]).check_reuse();
        }
    }
}

#[test]
fn steps_from_other_states_are_computed() {
    let (settings, space) = &lstms()[0];
    let mut case = Case::new(settings, space, [4, 2]);
    let mut model = case.model();
    case.act(&mut model);
    let acted = case.ends[2];
    case.ends[2] = match acted {
        End::Continues => End::Truncated,
        _ => End::Continues,
    };
    assert!(!model.holds_acted(&case.input()));
    assert_eq!(case.computed(&mut model), case.computed(&mut case.model()));
    case.ends[2] = acted;
    case.act(&mut model);
    assert!(model.holds_acted(&case.input()));
    case.state[1] += 1.0;
    assert!(!model.holds_acted(&case.input()));
}

#[test]
fn steps_after_other_actions_or_rewards_are_computed() {
    let (settings, space) = &lstms()[3];
    let mut case = Case::new(settings, space, [4, 2]);
    case.ends.fill(End::Continues);
    let mut model = case.model();
    case.act(&mut model);
    assert!(model.holds_acted(&case.input()));
    case.done.1[3] += 1.0;
    assert!(!model.holds_acted(&case.input()));
    assert_eq!(case.computed(&mut model), case.computed(&mut case.model()));
    case.act(&mut model);
    let Actions::Discrete(taken) = &mut case.done.0 else {
        panic!("discrete")
    };
    taken[1] = 1 - taken[1];
    assert!(!model.holds_acted(&case.input()));
    assert_eq!(case.computed(&mut model), case.computed(&mut case.model()));
}

fn convolutions() -> Vec<(ModelSettings, ObservationSpace)> {
    let mut all = Vec::new();
    for (body, shape, element, lstm, spatial_softmax) in [
        (Body::A3cConv, [2, 28, 36], ElementType::U8, None, false),
        (Body::A3cConv, [1, 24, 20], ElementType::F32, Some(6), false),
        (Body::NatureConv, [3, 36, 44], ElementType::U8, None, false),
        (Body::MinatarConv, [4, 10, 10], ElementType::U8, None, false),
        (
            Body::MinatarConv,
            [3, 7, 7],
            ElementType::F32,
            Some(6),
            false,
        ),
        (Body::MinatarConv, [3, 7, 9], ElementType::U8, None, true),
        (Body::A3cConv, [2, 36, 44], ElementType::U8, None, true),
        (Body::A3cConv, [1, 20, 36], ElementType::F32, Some(6), true),
        (Body::NatureConv, [3, 52, 44], ElementType::U8, None, true),
    ] {
        let settings = ModelSettings {
            body,
            lstm,
            spatial_softmax,
            ..ModelSettings::default()
        };
        all.push((settings, space(&shape, element)));
    }
    all
}

#[test]
fn convolutions_are_what_they_are_by_definition() {
    for (settings, space) in convolutions() {
        let mut case = Case::new(&settings, &space, [2, 2]);
        // Not so large that rectified sums run away.
        case.parameters.iter_mut().for_each(|x| *x *= 0.3);
        case.check_against_reference();
    }
}

#[test]
fn convolutions_reuse_what_was_computed_while_acting() {
    for (settings, space) in convolutions() {
        Case::new(&settings, &space, [3, 5]).check_reuse();
    }
}

#[test]
fn pictures_that_are_taken_together_add_up_like_single_ones() {
    for body in [Body::A3cConv, Body::NatureConv] {
        let settings = ModelSettings {
            body,
            ..ModelSettings::default()
        };
        // More than are taken together in the first two layers.
        let case = Case::new(&settings, &space(&[4, 84, 84], ElementType::U8), [7, 3]);
        let (_, _, gradient) = case.computed(&mut case.model());
        let mut sum = vec![0.0; gradient.len()];
        for row in 0..case.ends.len() {
            let alone = case.alone(row);
            let (_, _, of_row) = alone.computed(&mut alone.model());
            for (sum, of_row) in sum.iter_mut().zip(of_row) {
                *sum += f64::from(of_row);
            }
        }
        let largest = sum.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        for (found, expected) in gradient.iter().zip(sum) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-5 * largest, "{found} for {expected}");
        }
    }
}

#[test]
fn actions_are_judged_as_by_definition() {
    for (settings, space) in mlps().into_iter().skip(2).take(6).chain(lstms()) {
        for (dimensions, count) in [(1, 1), (3, 4)] {
            let network = Network::new(&settings, &spaces(&space), &HEADS).unwrap();
            let network = network
                .with_action_head(&settings, "advantage", dimensions)
                .unwrap();
            let mut case = Case::of(network, &space, [3, 2], count);
            case.actions = random(6 * count * dimensions, &mut case.rng);
            case.check_against_reference();
            case.check_reuse();
            case.of.judgements.clear();
            let (_, _, gradient) = case.computed(&mut case.model());
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "0 for what nothing depends on"
            );
        }
    }
}
