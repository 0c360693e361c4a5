//! What the methods' tests share: spaces, segments, finite differences, and the MDP M1.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{
    Actions, End, ObservationBuffer, Observations, RecurrentState, Segment,
};
use troop_common::experiment::{Deviation, EpsilonChoice, Experiment, ModelSettings};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::{
    Batch, Decision, Loss, MethodError, MethodParts, Networks, Objective, Purpose, Setting, make,
};
use crate::nn::{
    Head, HeadKind, Input, Model, ModelBackend, Network, OutputGradients, Outputs, use_one_thread,
};

pub(super) fn seeded(seed: u64) -> ChaCha8Rng {
    // As workers do: libtorch's threads would wait for each other where tests share few cores.
    use_one_thread();
    ChaCha8Rng::seed_from_u64(seed)
}

/// What a method of the experiment is made for.
pub(super) fn setting<'a>(
    experiment: &'a Experiment,
    spaces: &'a Spaces,
    rng: &'a mut ChaCha8Rng,
) -> Setting<'a> {
    Setting {
        experiment,
        spaces,
        worker_index: 0,
        rng,
    }
}

/// A method's parts, composed as the bundled role does.
pub(super) struct Learner {
    pub(super) parts: MethodParts,
    pub(super) rng: ChaCha8Rng,
    /// Frames that the run has taken.
    pub(super) frames: u64,
    t_max: usize,
}

impl Learner {
    /// That of the experiment's method.
    pub(super) fn new(experiment: &Experiment, spaces: &Spaces) -> Self {
        Self::made(experiment, spaces).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, if it can be made.
    pub(super) fn made(experiment: &Experiment, spaces: &Spaces) -> Result<Self, MethodError> {
        let mut rng = seeded(1);
        Ok(Self {
            parts: make(&mut setting(experiment, spaces, &mut rng))?,
            rng,
            frames: 1,
            t_max: experiment.method.t_max(),
        })
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.parts.network
    }

    /// A model of its network with zeros for parameters.
    pub(super) fn model(&self) -> Box<dyn Model> {
        model(self.network())
    }

    /// A model of its network with first parameters.
    pub(super) fn drawn_model(&self, seed: u64) -> Box<dyn Model> {
        drawn_model(self.network(), seed)
    }

    pub(super) fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
    ) -> Decision {
        let behaviour = &mut self.parts.behaviour;
        behaviour.act(online, shown, state, purpose, &mut self.rng)
    }

    /// Completes a segment as its behaviour does.
    pub(super) fn complete(&mut self, online: &mut dyn Model, segment: &Segment) -> Segment {
        let mut segment = segment.clone();
        let behaviour = &mut self.parts.behaviour;
        behaviour.complete(online, &mut segment, &mut self.rng);
        segment
    }

    /// Takes a segment in.
    pub(super) fn append(&mut self, online: &mut dyn Model, segment: &Segment) {
        let mut segment = self.complete(online, segment);
        self.parts.experience.append(&mut segment);
    }

    /// How many gradients follow a segment that it takes in.
    pub(super) fn gradients(&mut self, online: &mut dyn Model, segment: &Segment) -> usize {
        self.append(online, segment);
        let experience = &mut self.parts.experience;
        std::iter::from_fn(|| experience.next(self.frames, &mut self.rng).map(drop)).count()
    }

    /// The loss of what is learnt from next.
    pub(super) fn next(&mut self, online: &mut dyn Model, target: &mut dyn Model) -> Option<Loss> {
        let experience = &mut self.parts.experience;
        let batch = experience.next(self.frames, &mut self.rng)?;
        let keys = batch.keys().to_vec();
        let objective = &mut self.parts.objective;
        let networks = Networks {
            online,
            target: Some(target),
        };
        let loss = objective.loss(networks, batch, &mut self.rng);
        let loss = loss.unwrap();
        experience.reprioritise(&keys, &loss.td_errors);
        Some(loss)
    }
}

/// The loss of a segment that was just lived through.
pub(super) fn fresh_loss(
    objective: &mut dyn Objective,
    online: &mut dyn Model,
    target: &mut dyn Model,
    segment: &Segment,
) -> Loss {
    let networks = Networks {
        online,
        target: Some(target),
    };
    let loss = objective.loss(networks, Batch::Fresh(segment), &mut seeded(1));
    loss.unwrap()
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

/// A model of a network, with zeros for parameters.
pub(super) fn model(network: &Arc<Network>) -> Box<dyn Model> {
    ModelBackend::Native.model(network)
}

/// A model with first parameters.
pub(super) fn drawn_model(network: &Arc<Network>, seed: u64) -> Box<dyn Model> {
    let mut model = model(network);
    model.load(&network.layout().initialize(seed));
    model
}

/// A network whose outputs are given, those of a forward pass and of what was judged there: a loss as a function of
/// them. Everything else is asked of a model.
pub(super) struct Given {
    pub(super) model: Box<dyn Model>,
    pub(super) outputs: Outputs,
    pub(super) judgements: Vec<f32>,
}

impl Model for Given {
    fn network(&self) -> &Network {
        self.model.network()
    }

    fn parameters(&self) -> &[f32] {
        self.model.parameters()
    }

    fn load(&mut self, parameters: &[f32]) {
        self.model.load(parameters);
    }

    fn begin_segment(&mut self) {}

    fn act(&mut self, input: &Input<'_>) -> &Outputs {
        self.evaluate(input)
    }

    fn evaluate(&mut self, input: &Input<'_>) -> &Outputs {
        self.model.evaluate(input)
    }

    fn forward(&mut self, _: &Input<'_>) {}

    fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    fn judge(&mut self, _: &[f32]) -> &[f32] {
        &self.judgements
    }

    fn backward(&mut self, _: &OutputGradients, _: &mut [f32]) {
        panic!("outputs have no parameters")
    }
}

/// A change to a model's settings.
pub(super) type Change = fn(&mut ModelSettings);

/// Every kind of actions on every kind of network that actor-critics have.
pub(super) fn actor_critics() -> Vec<(Spaces, Change)> {
    let changes: [Change; 6] = [
        |_| {},
        |model| model.deviation = Deviation::Parameter,
        |model| model.bounds_penalty = 0.7,
        |model| model.separate_value = true,
        |model| model.lstm = Some(3),
        |model| {
            model.lstm = Some(2);
            model.separate_value = true;
        },
    ];
    let actions = || {
        [
            spaces::discrete(3),
            spaces::multi_discrete(&[2, 3]),
            spaces::apart_from_zero(),
        ]
    };
    let with = |change: &Change| actions().map(|spaces| (spaces, *change));
    changes.iter().flat_map(with).collect()
}

/// A model of one linear output of `inputs` numbers.
pub(super) fn linear_model(inputs: usize) -> Box<dyn Model> {
    let settings = ModelSettings {
        hidden: Vec::new(),
        ..ModelSettings::default()
    };
    let head = Head {
        name: "y",
        outputs: 1,
        gain: 1.0,
        kind: HeadKind::Acts,
    };
    model(&Arc::new(
        Network::new(&settings, &one_hot(inputs), &[head]).unwrap(),
    ))
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

    /// Two dimensions whose bounds leave out 0, about what means are at first: one lies below, one above.
    pub(crate) fn apart_from_zero() -> Spaces {
        with(ActionSpace::Box {
            low: vec![0.4, -1.0],
            high: vec![1.0, -0.3],
        })
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

/// The same with recurrent state of `state_len` numbers, and with masks if wanted.
pub(super) fn segment_with(spaces: &Spaces, state_len: usize, masked: bool, seed: u64) -> Segment {
    let (steps, environments) = (6, 3);
    let rows = steps * environments;
    let mut rng = seeded(seed);
    let mut segment = Segment::new(environments, spaces);
    segment.actions.extend(&some_actions(&spaces.action, rows));
    let mut state = RecurrentState::new(environments, state_len);
    let initial = numbers(environments * state_len, &mut rng);
    state.carry(initial, &[End::Continues; 3]);
    segment.initial_state = state;
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

/// What a segment's environments showed at step `t`.
pub(super) fn shown_at(segment: &Segment, spaces: &Spaces, t: usize) -> ObservationBuffer {
    let mut shown = ObservationBuffer::new(&spaces.observation);
    for row in t * segment.environments..(t + 1) * segment.environments {
        let observation = std::iter::once(segment.observations.bytes(row));
        shown.extend_pieces(observation, segment.observations.mask(row));
    }
    shown
}

pub(super) fn numbers(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
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
        into.extend_pieces(std::iter::once(buffer.bytes(row)), None);
    };
    let state_len = segment.initial_state.values().len() / environments;
    for e in 0..environments {
        let mut state = RecurrentState::new(1, state_len);
        let initial = &segment.initial_state.values()[e * state_len..(e + 1) * state_len];
        state.carry(initial.to_vec(), &[End::Continues]);
        let mut episode = Segment::new(1, spaces);
        episode.restart(&state, 0);
        for row in (e..segment.ends.len()).step_by(environments) {
            rows(&segment.observations, row, &mut episode.observations);
            episode
                .actions
                .extend(&segment.actions.of_row(row, segment.ends.len()));
            let statistics = segment.behaviour.len() / segment.ends.len();
            let own = &segment.behaviour[row * statistics..(row + 1) * statistics];
            episode.behaviour.extend_from_slice(own);
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
                next.restart(&RecurrentState::new(1, state_len), 0);
                episodes.push(std::mem::replace(&mut episode, next));
            }
        }
    }
    episodes
}

/// Loss and gradient of a segment, as the worker computes them.
pub(super) fn loss_and_gradient(
    objective: &mut dyn Objective,
    online: &mut dyn Model,
    target: &mut dyn Model,
    segment: &Segment,
) -> (f64, Vec<f64>) {
    let loss = fresh_loss(objective, online, target, segment);
    let gradient = gradient(online, &loss);
    (loss.total, gradient.iter().map(|g| f64::from(*g)).collect())
}

/// The gradient of a loss that was just computed.
pub(super) fn gradient(online: &mut dyn Model, loss: &Loss) -> Vec<f32> {
    let mut gradient = vec![f32::NAN; online.network().layout().len()];
    online.backward(&loss.gradients, &mut gradient);
    gradient
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
pub(super) fn assert_ends_separate(learner: &mut Learner, spaces: &Spaces) {
    let segment = segment_with(spaces, learner.network().state_len(), false, 5);
    assert_ends_separate_in(&segment, learner, spaces);
}

/// The same of this segment.
pub(super) fn assert_ends_separate_in(segment: &Segment, learner: &mut Learner, spaces: &Spaces) {
    let (mut online, mut target) = (learner.drawn_model(3), learner.drawn_model(9));
    let (online, target) = (&mut *online, &mut *target);
    let objective = &mut *learner.parts.objective;
    let (whole, gradient) = loss_and_gradient(objective, online, target, segment);
    let (mut sum, mut summed) = (0.0, vec![0.0; gradient.len()]);
    let episodes = episodes(segment, spaces);
    assert_eq!(episodes.len(), 5);
    for episode in &episodes {
        let (loss, gradient) = loss_and_gradient(objective, online, target, episode);
        sum += loss;
        summed.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
    }
    // Targets pass through f32.
    assert_close(&[whole], &[sum], 1e-5);
    assert_close(&gradient, &summed, 1e-5);
}

/// One-hot states, rewards and ends of one environment.
pub(super) fn segment_of(states: &[usize], count: usize, steps: &[(i64, f32, End)]) -> Segment {
    let spaces = one_hot(count);
    let mut segment = Segment::new(1, &spaces);
    let one_hot = |state: usize| -> Vec<f32> {
        (0..count)
            .map(|s| f32::from(u8::from(s == state)))
            .collect()
    };
    let mut states = states.iter();
    for (action, reward, end) in steps {
        let state = one_hot(*states.next().unwrap());
        segment.observations.extend(Observations::F32(&state), None);
        segment.actions.extend(&Actions::Discrete(vec![*action]));
        segment.rewards.push(*reward);
        segment.ends.push(*end);
        if *end == End::Truncated {
            let last = one_hot(*states.next().unwrap());
            segment
                .truncated_observations
                .extend(Observations::F32(&last), None);
        }
    }
    let last = one_hot(*states.next().unwrap());
    segment
        .bootstrap_observations
        .extend(Observations::F32(&last), None);
    segment
}

pub(super) fn one_hot(count: usize) -> Spaces {
    let mut spaces = spaces::discrete(3);
    spaces.observation.shape = vec![count];
    spaces
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
    learner: &mut Learner,
    environments: usize,
    updates: usize,
    rate: f32,
) -> [[f32; 2]; 2] {
    let learned = Game::new(environments).learn(learner, updates, rate, |_| {});
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
        learner: &mut Learner,
        updates: usize,
        rate: f32,
        mask: impl Fn(&mut [f32]),
    ) -> Vec<f32> {
        let layout = learner.network().layout().clone();
        let mut values = vec![0.0; layout.len()];
        let mut gradient = vec![0.0; layout.len()];
        let (mut online, mut target) = (learner.model(), learner.model());
        let (online, target) = (&mut *online, &mut *target);
        for update in 0..updates {
            online.load(&values);
            target.load(&values);
            let segment = self.segment(learner, online);
            learner.append(online, &segment);
            let loss = learner.next(online, target).unwrap();
            let another = learner.parts.experience.next(1, &mut learner.rng);
            assert!(another.is_none(), "one gradient a segment");
            online.backward(&loss.gradients, &mut gradient);
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
    pub(super) fn segment(&mut self, learner: &mut Learner, online: &mut dyn Model) -> Segment {
        let spaces = Self::spaces();
        let state = RecurrentState::new(self.states.len(), learner.network().state_len());
        let mut segment = Segment::new(self.states.len(), &spaces);
        segment.restart(&state, 0);
        for _ in 0..learner.t_max {
            let observations = self.observations();
            let observations = Observations::F32(&observations);
            segment.observations.extend(observations, None);
            let mut shown = ObservationBuffer::new(&spaces.observation);
            shown.extend(observations, None);
            let purpose = Purpose::Explore { frames: 1 };
            let decision = learner.act(online, &shown, &state, purpose);
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
