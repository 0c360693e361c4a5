//! What the methods' tests share: spaces, segments, finite differences, and the MDP M1.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::{Behaviour, Method};
use crate::environment::{Actions, End, Observations};
use crate::model::Parameters;
use crate::segment::Segment;

pub(super) fn seeded(seed: u64) -> ChaCha8Rng {
    // As workers do: libtorch's threads would wait for each other where tests share few cores.
    tch::set_num_threads(1);
    ChaCha8Rng::seed_from_u64(seed)
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

    pub(crate) fn continuous(dimensions: usize) -> Spaces {
        with(ActionSpace::Box {
            low: vec![-1.0; dimensions],
            high: vec![1.0; dimensions],
        })
    }
}

/// Six steps of three environments with terminated and truncated episodes inside.
pub(super) fn random_segment(spaces: &Spaces, seed: u64) -> Segment {
    let (steps, environments) = (6, 3);
    let mut rng = seeded(seed);
    let mut numbers = |n: usize| {
        (0..n)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect::<Vec<f32>>()
    };
    let size = spaces.observation.len();
    let no_actions = match spaces.action {
        ActionSpace::Discrete { .. } => Actions::Discrete(Vec::new()),
        ActionSpace::Box { .. } => Actions::Continuous(Vec::new()),
    };
    let mut segment = Segment::new(environments, &spaces.observation, no_actions);
    segment
        .observations
        .extend(Observations::F32(&numbers(steps * environments * size)));
    segment
        .bootstrap_observations
        .extend(Observations::F32(&numbers(environments * size)));
    segment
        .truncated_observations
        .extend(Observations::F32(&numbers(2 * size)));
    segment.rewards = numbers(steps * environments);
    segment.ends = vec![End::Continues; steps * environments];
    segment.ends[4] = End::Truncated;
    segment.ends[8] = End::Terminated;
    segment.ends[17] = End::Truncated;
    let actions = match &spaces.action {
        ActionSpace::Discrete { n } => Actions::Discrete(
            (0..steps * environments)
                .map(|i| (i * 7 % n) as i64)
                .collect(),
        ),
        ActionSpace::Box { low, .. } => {
            Actions::Continuous(numbers(steps * environments * low.len()))
        }
    };
    segment.extend_actions(&actions);
    segment
}

/// Compares the gradient with central differences, parameter by parameter.
pub(super) fn assert_gradient(parameters: &Parameters, loss: impl Fn(&Parameters) -> Tensor) {
    let h = 1e-5;
    let gradients = Tensor::run_backward(&[loss(parameters)], parameters.tensors(), false, false);
    for (tensor, gradient) in parameters.tensors().iter().zip(&gradients) {
        for i in 0..tensor.numel() as i64 {
            let shifted = |by: f64| {
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
            let loss = method.loss(&online, Some(&target), &segment);
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

    fn segment(&mut self, method: &mut dyn Method, online: &Parameters) -> Segment {
        let mut segment = Segment::new(
            self.states.len(),
            &Self::spaces().observation,
            Actions::Discrete(Vec::new()),
        );
        for _ in 0..method.t_max() {
            let observations = self.observations();
            segment
                .observations
                .extend(Observations::F32(&observations));
            let tensor = Tensor::from_slice(&observations).view([-1, 2]);
            let actions = method.act(online, &tensor, Behaviour::Explore { frames: 1 });
            let Actions::Discrete(taken) = &actions else {
                panic!("discrete")
            };
            segment
                .rewards
                .extend(self.states.iter_mut().zip(taken).map(|(state, action)| {
                    let (next, reward) = match (*state, action) {
                        (0, 0) => (1, 0.0),
                        (0, _) => (0, 1.0),
                        (_, 0) => (0, 2.0),
                        (_, _) => (1, 0.0),
                    };
                    *state = next;
                    reward
                }));
            segment
                .ends
                .extend(self.states.iter().map(|_| End::Continues));
            segment.extend_actions(&actions);
        }
        segment
            .bootstrap_observations
            .extend(Observations::F32(&self.observations()));
        segment
    }

    fn observations(&self) -> Vec<f32> {
        self.states
            .iter()
            .flat_map(|state| if *state == 0 { [1.0, 0.0] } else { [0.0, 1.0] })
            .collect()
    }
}
