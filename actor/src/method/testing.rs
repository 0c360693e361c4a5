//! What the methods' tests share: spaces, segments, finite differences, and the MDP M1.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{EpsilonChoice, Experiment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::{Behaviour, Method, Setting};
use crate::environment::{Actions, End, Observations};
use crate::memory::Memory;
use crate::model::{Network, Parameters};
use crate::segment::{ObservationBuffer, Observed, Segment, to_vec};

pub(super) fn seeded(seed: u64) -> ChaCha8Rng {
    // As workers do: libtorch's threads would wait for each other where tests share few cores.
    tch::set_num_threads(1);
    ChaCha8Rng::seed_from_u64(seed)
}

/// What a method of the experiment is made for.
pub(super) fn setting<'a>(experiment: &'a Experiment, spaces: &'a Spaces) -> Setting<'a> {
    Setting {
        experiment,
        spaces,
        worker_index: 0,
        rng: seeded(1),
    }
}

/// An experiment whose value methods always act at random.
pub(super) fn always_random() -> Experiment {
    with_epsilon(1.0)
}

/// An experiment whose value methods act at random with probability `epsilon`.
pub(super) fn with_epsilon(epsilon: f64) -> Experiment {
    let mut experiment = Experiment::default();
    experiment.exploration.epsilon_initial = epsilon;
    experiment.exploration.epsilon_final = vec![EpsilonChoice {
        epsilon,
        probability: 1.0,
    }];
    experiment.exploration.anneal_frames = 1;
    experiment
}

/// First parameters of a network, with double precision.
pub(super) fn doubles(network: &Network, seed: u64) -> Parameters {
    let mut parameters = Parameters::new(network.layout(), Kind::Double);
    parameters.load(&network.layout().initialize(seed));
    parameters
}

pub(super) mod spaces {
    use super::{ActionSpace, ElementType, ObservationSpace, Spaces};

    fn with(action: ActionSpace) -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![4],
                element: ElementType::F32,
            },
            action,
        }
    }

    pub(crate) fn discrete(n: usize) -> Spaces {
        with(ActionSpace::Discrete { n })
    }

    pub(crate) fn multi_discrete(n: &[usize]) -> Spaces {
        with(ActionSpace::MultiDiscrete { n: n.to_vec() })
    }

    pub(crate) fn continuous(dimensions: usize) -> Spaces {
        with(ActionSpace::Box {
            low: vec![-1.0; dimensions],
            high: vec![1.0; dimensions],
        })
    }
}

/// Six steps of three environments with terminated and truncated episodes inside.
pub(super) fn random_segment(spaces: &Spaces, seed: u64) -> Segment {
    segment_with(spaces, 0, false, seed)
}

/// The same with recurrent state of `memory_len` numbers, and with masks if wanted.
pub(super) fn segment_with(spaces: &Spaces, memory_len: usize, masked: bool, seed: u64) -> Segment {
    let (steps, environments) = (6, 3);
    let rows = steps * environments;
    let mut rng = seeded(seed);
    let mut segment = Segment::new(environments, spaces);
    segment.actions.extend(&some_actions(&spaces.action, rows));
    let mut memory = Memory::new(environments, memory_len);
    let state = Tensor::from_slice(&numbers(environments * memory_len, &mut rng));
    memory.carry(&state, &[End::Continues; 3]);
    segment.initial_memory = memory;
    segment.rewards = numbers(rows, &mut rng);
    segment.ends = vec![End::Continues; rows];
    segment.ends[4] = End::Truncated;
    segment.ends[8] = End::Terminated;
    segment.ends[17] = End::Truncated;
    let mut fill = |buffer: &mut ObservationBuffer, actions: &Actions, rows: usize| {
        let values = numbers(rows * spaces.observation.len(), &mut rng);
        let masks = masked.then(|| masks_around(actions, &spaces.action, rows, &mut rng));
        buffer.extend(Observations::F32(&values), masks.as_deref());
    };
    fill(&mut segment.observations, &segment.actions, rows);
    let none = Actions::none(&spaces.action);
    fill(&mut segment.bootstrap_observations, &none, environments);
    fill(&mut segment.truncated_observations, &none, 2);
    segment
}

fn numbers(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn some_actions(space: &ActionSpace, rows: usize) -> Actions {
    let one_of = |i: usize, n: usize| (i * 7 % n) as i64;
    match space {
        ActionSpace::Discrete { n } => {
            Actions::Discrete((0..rows).map(|i| one_of(i, *n)).collect())
        }
        ActionSpace::MultiDiscrete { n } => {
            let row = |i| n.iter().map(move |n| one_of(i, *n));
            Actions::MultiDiscrete((0..rows).flat_map(row).collect())
        }
        ActionSpace::Box { low, .. } => {
            Actions::Continuous(numbers(rows * low.len(), &mut seeded(99)))
        }
    }
}

/// Half of the choices, always with the one that was taken, or the first where nobody acted.
fn masks_around(
    actions: &Actions,
    space: &ActionSpace,
    rows: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<bool> {
    let sizes: &[usize] = match space {
        ActionSpace::Discrete { n } => &[*n],
        ActionSpace::MultiDiscrete { n } => n,
        ActionSpace::Box { .. } => &[],
    };
    let (Actions::Discrete(taken) | Actions::MultiDiscrete(taken)) = actions else {
        return Vec::new();
    };
    let mut masks = Vec::new();
    for component in 0..rows * sizes.len() {
        let always = taken.get(component).copied().unwrap_or(0);
        let n = sizes[component % sizes.len()] as i64;
        masks.extend((0..n).map(|choice| choice == always || rng.random_bool(0.5)));
    }
    masks
}

/// The segment's episodes, each as a segment of one environment with nothing in it but its own.
pub(super) fn episodes(segment: &Segment, spaces: &Spaces) -> Vec<Segment> {
    let environments = segment.environments;
    let mut episodes = Vec::new();
    let mut truncated_rows = vec![None; segment.ends.len()];
    let mut cuts = 0;
    for (place, end) in truncated_rows.iter_mut().zip(&segment.ends) {
        if *end == End::Truncated {
            *place = Some(cuts);
            cuts += 1;
        }
    }
    let rows = |buffer: &ObservationBuffer, row: usize, into: &mut ObservationBuffer| {
        let values = to_vec(&buffer.tensor().get(row as i64));
        into.extend(Observations::F32(&values), None);
    };
    let memory_len = to_vec(&segment.initial_memory.tensor()).len() / environments;
    for e in 0..environments {
        let mut memory = Memory::new(1, memory_len);
        let initial = segment.initial_memory.tensor().narrow(0, e as i64, 1);
        memory.carry(&initial, &[End::Continues]);
        let mut episode = Segment::new(1, spaces);
        episode.restart(&memory);
        for row in (e..segment.ends.len()).step_by(environments) {
            rows(&segment.observations, row, &mut episode.observations);
            episode
                .actions
                .extend(&row_of(&segment.actions, row, segment.ends.len()));
            episode.rewards.push(segment.rewards[row]);
            episode.ends.push(segment.ends[row]);
            if let Some(cut) = truncated_rows[row] {
                rows(
                    &segment.truncated_observations,
                    cut,
                    &mut episode.truncated_observations,
                );
            }
            let last = row + environments >= segment.ends.len();
            if segment.ends[row] != End::Continues || last {
                rows(
                    &segment.bootstrap_observations,
                    e,
                    &mut episode.bootstrap_observations,
                );
                let mut next = Segment::new(1, spaces);
                next.restart(&Memory::new(1, memory_len));
                episodes.push(std::mem::replace(&mut episode, next));
            }
        }
    }
    episodes
}

fn row_of(actions: &Actions, row: usize, rows: usize) -> Actions {
    fn cut<T: Clone>(all: &[T], row: usize, rows: usize) -> Vec<T> {
        let size = all.len() / rows;
        all[row * size..(row + 1) * size].to_vec()
    }
    match actions {
        Actions::Discrete(all) => Actions::Discrete(cut(all, row, rows)),
        Actions::MultiDiscrete(all) => Actions::MultiDiscrete(cut(all, row, rows)),
        Actions::Continuous(all) => Actions::Continuous(cut(all, row, rows)),
    }
}

/// Loss and gradient of a segment, as the worker computes them.
pub(super) fn loss_and_gradient(
    method: &mut dyn Method,
    online: &Parameters,
    target: &Parameters,
    segment: &Segment,
) -> (f64, Vec<f64>) {
    let loss = method.loss(online, Some(target), segment, 0).unwrap().total;
    let parts = Tensor::run_backward(&[&loss], online.tensors(), false, false);
    let flat: Vec<Tensor> = parts.iter().map(|part| part.reshape([-1])).collect();
    let flat = Tensor::cat(&flat, 0);
    let mut gradient = vec![0.0; flat.numel()];
    flat.copy_data(&mut gradient, flat.numel());
    (loss.double_value(&[]), gradient)
}

/// Compares two vectors, element by element.
pub(super) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
            "{found} for {expected}"
        );
    }
}

/// A segment with ended episodes inside has the summed loss and gradient of its episodes. For
/// methods whose losses are sums over steps.
pub(super) fn assert_ends_separate(method: &mut dyn Method, spaces: &Spaces) {
    let memory_len = method.network().memory_len();
    let segment = segment_with(spaces, memory_len, false, 5);
    let online = doubles(method.network(), 3);
    let target = doubles(method.network(), 9);
    let (whole, gradient) = loss_and_gradient(method, &online, &target, &segment);
    let (mut sum, mut summed) = (0.0, vec![0.0; gradient.len()]);
    let episodes = episodes(&segment, spaces);
    assert_eq!(episodes.len(), 5);
    for episode in &episodes {
        let (loss, gradient) = loss_and_gradient(method, &online, &target, episode);
        sum += loss;
        summed.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
    }
    // Targets pass through f32.
    assert_close(&[whole], &[sum], 1e-5);
    assert_close(&gradient, &summed, 1e-5);
}

/// Compares the gradient with central differences, parameter by parameter.
pub(super) fn assert_gradient(
    parameters: &Parameters,
    mut loss: impl FnMut(&Parameters) -> Tensor,
) {
    let h = 1e-5;
    let gradients = Tensor::run_backward(&[loss(parameters)], parameters.tensors(), false, false);
    for (tensor, gradient) in parameters.tensors().iter().zip(&gradients) {
        for i in 0..tensor.numel() as i64 {
            let mut shifted = |by: f64| {
                let mut element = tensor.detach().view(-1).get(i);
                let _ = tch::no_grad(|| element.g_add_scalar_(by));
                let value = loss(parameters).to_kind(Kind::Double).double_value(&[]);
                let _ = tch::no_grad(|| element.g_add_scalar_(-by));
                value
            };
            let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
            let exact = gradient.view(-1).double_value(&[i]);
            assert!(
                (numeric - exact).abs() < 1e-6 * (1.0 + exact.abs()),
                "{numeric} for {exact}"
            );
        }
    }
}

/// Where an action of M1 leads, and its reward.
pub(super) fn m1(state: usize, action: usize) -> (usize, f32) {
    match (state, action) {
        (0, 0) => (1, 0.0),
        (0, _) => (0, 1.0),
        (_, 0) => (0, 2.0),
        (_, _) => (1, 0.0),
    }
}

/// Learns M1 by a method through a table, in `environments` at once; `Q[s][a]`.
pub(super) fn learn_m1(
    method: &mut dyn Method,
    environments: usize,
    updates: usize,
    rate: f32,
) -> [[f32; 2]; 2] {
    let learned = Game::new(environments).learn(method, updates, rate, |_| {});
    let q = |s: usize, a: usize| learned[a * 2 + s] + learned[4 + a];
    [[q(0, 0), q(0, 1)], [q(1, 0), q(1, 1)]]
}

/// Compares tables of action values.
pub(super) fn assert_table(found: [[f32; 2]; 2], expected: [[f32; 2]; 2], tolerance: f32) {
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    for (one, other) in pairs {
        assert!(
            (one - other).abs() < tolerance,
            "{found:?} for {expected:?}"
        );
    }
}

/// The MDP M1 with γ = 0.9: s0: a0 → s1, r 0; a1 → s0, r 1. s1: a0 → s0, r 2; a1 → s1, r 0.
/// States are one-hot, so that a network without hidden layers is a table.
pub(super) struct Game {
    states: Vec<usize>,
}

impl Game {
    pub(super) fn new(environments: usize) -> Self {
        Self {
            states: (0..environments).map(|e| e % 2).collect(),
        }
    }

    pub(super) fn spaces() -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![2],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 2 },
        }
    }

    /// Plain SGD from zeros with a target network that is always the newest; the learned vector.
    pub(super) fn learn(
        &mut self,
        method: &mut dyn Method,
        updates: usize,
        rate: f32,
        mask: impl Fn(&mut [f32]),
    ) -> Vec<f32> {
        let layout = method.network().layout().clone();
        let mut values = vec![0.0; layout.len()];
        let mut gradient = vec![0.0; layout.len()];
        let (mut online, mut target) =
            (method.network().parameters(), method.network().parameters());
        for update in 0..updates {
            online.load(&values);
            target.load(&values);
            let segment = self.segment(method, &online);
            assert_eq!(method.receive(&online, &segment), 1);
            let loss = method.loss(&online, Some(&target), &segment, 0).unwrap();
            online.gradient(&loss.total, &mut gradient).unwrap();
            mask(&mut gradient);
            let rate = rate / (1.0 + 4.0 * update as f32 / updates as f32);
            values
                .iter_mut()
                .zip(&gradient)
                .for_each(|(v, g)| *v -= rate * g);
        }
        values
    }

    /// Acts one segment with these parameters.
    pub(super) fn segment(&mut self, method: &mut dyn Method, online: &Parameters) -> Segment {
        let memory = Memory::new(self.states.len(), method.network().memory_len());
        let mut segment = Segment::new(self.states.len(), &Self::spaces());
        segment.restart(&memory);
        for _ in 0..method.t_max() {
            let observations = self.observations();
            segment
                .observations
                .extend(Observations::F32(&observations), None);
            let observed = Observed {
                observations: Tensor::from_slice(&observations).view([-1, 2]),
                masks: None,
            };
            let behaviour = Behaviour::Explore { frames: 1 };
            let decision = method.act(online, &observed, &memory.tensor(), behaviour);
            let Actions::Discrete(taken) = &decision.actions else {
                panic!("discrete")
            };
            segment
                .rewards
                .extend(self.states.iter_mut().zip(taken).map(|(state, action)| {
                    let (next, reward) = m1(*state, *action as usize);
                    *state = next;
                    reward
                }));
            segment
                .ends
                .extend(self.states.iter().map(|_| End::Continues));
            segment.actions.extend(&decision.actions);
            segment.behaviour.extend(&decision.behaviour);
        }
        segment
            .bootstrap_observations
            .extend(Observations::F32(&self.observations()), None);
        segment
    }

    fn observations(&self) -> Vec<f32> {
        self.states
            .iter()
            .flat_map(|state| if *state == 0 { [1.0, 0.0] } else { [0.0, 1.0] })
            .collect()
    }
}
