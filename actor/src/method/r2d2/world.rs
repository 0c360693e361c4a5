//! Something to live in, and the method's own way of living in it, with every step written down.

use troop_common::experience::{
    Actions, End, ObservationBuffer, Observations, RecurrentState, Segment,
};
use troop_common::experiment::{Experiment, MethodSettings, R2d2Settings};
use troop_common::spaces::Spaces;
use troop_replay::{DrawnItems, Replay, Stretches};

use crate::method::Purpose;
use crate::method::testing::{Learner, numbers, seeded, spaces, with_epsilon};
use crate::nn::Model;
use rand::RngExt;

/// Environments, `E`.
pub(super) const ENVIRONMENTS: usize = 3;

/// A step as it was lived through. Its reward is its place in the list: so it is known again anywhere.
#[derive(Clone, Debug)]
pub(super) struct Lived {
    pub(super) observation: Vec<f32>,
    pub(super) action: i64,
    pub(super) end: End,
    /// Recurrent state before it.
    pub(super) state: Vec<f32>,
    /// What was shown after it: the final observation, if it ended an episode.
    pub(super) behind: Vec<f32>,
    /// The place of the next step in its environment.
    pub(super) next: usize,
}

/// Small sequences: half of them overlap, and most of that is burn-in.
pub(super) fn settings() -> R2d2Settings {
    R2d2Settings {
        t_max: 5,
        discount: 0.9,
        n_step: 3,
        sequence_env_steps: 8,
        overlap_env_steps: 4,
        burn_in_env_steps: 3,
        batch_size: 24,
        replay_start_env_steps: 1,
        ..R2d2Settings::default()
    }
}

pub(super) fn experiment(
    settings: &R2d2Settings,
    change: impl FnOnce(&mut Experiment),
) -> Experiment {
    let mut experiment = with_epsilon(0.3);
    experiment.model.hidden = vec![5];
    experiment.model.lstm = Some(4);
    experiment.model.previous_step = true;
    experiment.environment.envs_per_worker = ENVIRONMENTS;
    experiment.topology.replay_bytes = 1 << 20;
    experiment.method = MethodSettings::R2d2(settings.clone());
    change(&mut experiment);
    experiment
}

pub(super) fn shown() -> Spaces {
    spaces::discrete(3)
}

/// A reward that says which step it is of.
pub(super) fn reward(place: usize) -> f32 {
    place as f32 / 64.0
}

/// The step that a reward is of.
pub(super) fn place(reward: f32) -> usize {
    (reward * 64.0) as usize
}

/// Segments of random observations and ends, acted by these weights as a worker does; and all steps.
pub(super) fn live(
    learner: &mut Learner,
    online: &mut dyn Model,
    segments: usize,
    t_max: usize,
) -> (Vec<Segment>, Vec<Lived>) {
    let (spaces, mut rng) = (shown(), seeded(11));
    let network = std::sync::Arc::clone(learner.network());
    let mut state = RecurrentState::new(ENVIRONMENTS, network.state_len());
    let (mut all, mut lived) = (Vec::new(), Vec::new());
    let mut now = numbers(4 * ENVIRONMENTS, &mut rng);
    for _ in 0..segments {
        online.begin_segment();
        let mut segment = Segment::new(ENVIRONMENTS, &spaces);
        segment.restart(&state, 0);
        for _ in 0..t_max {
            let mut showing = ObservationBuffer::new(&spaces.observation);
            showing.extend(Observations::F32(&now), None);
            segment.observations.extend(showing.values(), None);
            segment.states.extend_from_slice(state.values());
            let before = state.clone();
            let purpose = Purpose::Explore { frames: 9 };
            let mut decision = learner.act(online, &showing, &state, purpose);
            let ends: Vec<End> = (0..ENVIRONMENTS)
                .map(|_| match rng.random_range(0..24) {
                    0 => End::Terminated,
                    1 => End::Truncated,
                    2 => End::LifeLost,
                    _ => End::Continues,
                })
                .collect();
            let rewards: Vec<f32> = (lived.len()..).take(ENVIRONMENTS).map(reward).collect();
            let previous = network.previous_step();
            previous.note(&decision.actions, &rewards, &mut decision.state);
            state.carry(decision.state, &ends);
            let after = numbers(4 * ENVIRONMENTS, &mut rng);
            let Actions::Discrete(taken) = &decision.actions else {
                panic!("discrete")
            };
            for (e, (end, action)) in ends.iter().zip(taken).enumerate() {
                let own = |all: &[f32], len: usize| all[e * len..(e + 1) * len].to_vec();
                let behind = match end {
                    End::Truncated => {
                        let last = numbers(4, &mut rng);
                        let buffer = &mut segment.truncated_observations;
                        buffer.extend(Observations::F32(&last), None);
                        last
                    }
                    _ => own(&after, 4),
                };
                lived.push(Lived {
                    observation: own(&now, 4),
                    action: *action,
                    end: *end,
                    state: own(before.values(), network.state_len()),
                    behind,
                    next: lived.len() + ENVIRONMENTS,
                });
            }
            segment.actions.extend(&decision.actions);
            segment.rewards.extend(&rewards);
            segment.ends.extend(&ends);
            now = after;
        }
        let buffer = &mut segment.bootstrap_observations;
        buffer.extend(Observations::F32(&now), None);
        all.push(segment);
    }
    (all, lived)
}

/// A replay, as the settings ask for it, that remembers these segments.
pub(super) fn remembered(
    settings: &R2d2Settings,
    experiment: &Experiment,
    segments: &[Segment],
) -> Replay {
    let mut experiment = experiment.clone();
    experiment.topology.trainers = 1;
    experiment.actor.workers = 1;
    experiment.method = MethodSettings::R2d2(settings.clone());
    let learner = Learner::new(&experiment, &shown());
    let replay = Replay::new(learner.parts.shared.unwrap().replay).unwrap();
    let writer = replay.join(ENVIRONMENTS).unwrap();
    for (sequence, segment) in segments.iter().enumerate() {
        replay.append(writer, sequence as u64 + 1, segment).unwrap();
    }
    replay
}

/// Drawn sequences.
pub(super) fn draw(replay: &Replay, count: usize, seed: u64) -> Stretches {
    let drawn = replay.draw(count, 0.6, &mut seeded(seed)).unwrap().unwrap();
    match drawn.items {
        DrawnItems::Stretches(stretches) => *stretches,
        DrawnItems::Transitions(_) => panic!("sequences"),
    }
}

/// The places of a drawn sequence's real steps.
pub(super) fn places(stretches: &Stretches, b: usize) -> Vec<usize> {
    let rewards = stretches.segment.rewards.iter().skip(b);
    let rewards = rewards.step_by(stretches.len());
    rewards
        .take(stretches.lengths[b])
        .map(|r| place(*r))
        .collect()
}
