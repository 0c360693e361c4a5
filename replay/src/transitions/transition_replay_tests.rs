use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::Observations;
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::*;

fn space() -> ObservationSpace {
    ObservationSpace {
        shape: vec![1],
        element: ElementType::F32,
    }
}

fn spaces() -> Spaces {
    Spaces {
        observation: space(),
        action: ActionSpace::Discrete { n: 2 },
    }
}

/// Every third observation closes the first action.
fn masks(observations: &[f32]) -> Vec<bool> {
    observations
        .iter()
        .flat_map(|number| [number % 3.0 != 0.0, true])
        .collect()
}

fn shape(capacity: usize, environments: usize, n_step: usize, exponent: f64) -> TransitionShape {
    TransitionShape {
        capacity,
        stack: 1,
        environments,
        n_step,
        discount: 0.5,
        priority_exponent: exponent,
        priority_epsilon: 0.0,
    }
}

/// What one environment went through: its observations are numbers that never come twice.
#[derive(Clone, Copy)]
struct Lived {
    observation: f32,
    action: i64,
    reward: f32,
    end: End,
    /// What followed, or the final observation of a truncated episode.
    next: f32,
}

/// Random lives in segments, and a record of them from which transitions are worked out slowly.
struct World {
    rng: ChaCha8Rng,
    counter: f32,
    current: Vec<f32>,
    /// Steps of each environment since its stream last broke.
    streams: Vec<Vec<Lived>>,
    broken: Vec<Vec<Lived>>,
}

impl World {
    fn new(seed: u64, environments: usize) -> Self {
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            counter: 0.0,
            current: Vec::new(),
            streams: vec![Vec::new(); environments],
            broken: Vec::new(),
        };
        world.current = (0..environments).map(|_| world.fresh()).collect();
        world
    }

    fn fresh(&mut self) -> f32 {
        self.counter += 1.0;
        self.counter
    }

    /// As after a host's restart: what comes next has nothing to do with what was.
    fn break_off(&mut self) {
        for environment in 0..self.current.len() {
            self.current[environment] = self.fresh();
            self.broken
                .push(std::mem::take(&mut self.streams[environment]));
        }
    }

    fn segment(&mut self, steps: usize) -> Segment {
        let environments = self.current.len();
        let mut segment = Segment::new(environments, &spaces());
        for _ in 0..steps {
            let mut actions = Vec::new();
            segment.observations.extend(
                Observations::F32(&self.current),
                Some(&masks(&self.current)),
            );
            for environment in 0..environments {
                let end = match self.rng.random_range(0..8) {
                    0 => End::Terminated,
                    1 => End::Truncated,
                    _ => End::Continues,
                };
                let (observation, next) = (self.current[environment], self.fresh());
                self.current[environment] = next;
                if end == End::Truncated {
                    let last = [next];
                    segment
                        .truncated_observations
                        .extend(Observations::F32(&last), Some(&masks(&last)));
                    self.current[environment] = self.fresh();
                }
                let lived = Lived {
                    observation,
                    action: self.rng.random_range(0..4),
                    reward: f32::from(self.rng.random_range(-3..4_i8)),
                    end,
                    next,
                };
                actions.push(lived.action);
                segment.rewards.push(lived.reward);
                segment.ends.push(end);
                self.streams[environment].push(lived);
            }
            segment.actions.extend(&Actions::Discrete(actions));
        }
        segment.bootstrap_observations.extend(
            Observations::F32(&self.current),
            Some(&masks(&self.current)),
        );
        segment
    }

    /// `(action, reward, discount, next)` of each transition that is complete, by its observation.
    fn transitions(&self, n: usize) -> HashMap<u32, (i64, f32, f32, Option<f32>)> {
        let mut all = HashMap::new();
        for stream in self.streams.iter().chain(&self.broken) {
            for (t, first) in stream.iter().enumerate() {
                let (mut reward, mut discount) = (0.0, 1.0);
                for (k, lived) in stream[t..].iter().take(n).enumerate() {
                    reward += discount * lived.reward;
                    discount *= 0.5;
                    let (weight, next) = match lived.end {
                        End::Terminated | End::LifeLost => (0.0, None),
                        End::Truncated => (discount, Some(lived.next)),
                        End::Continues if k + 1 == n => (discount, Some(lived.next)),
                        End::Continues => continue,
                    };
                    let found = (first.action, reward, weight, next);
                    all.insert(first.observation as u32, found);
                    break;
                }
            }
        }
        all
    }
}

fn floats(buffer: &ObservationBuffer) -> &[f32] {
    match buffer.values() {
        Observations::F32(values) => values,
        Observations::U8(_) => panic!("expected floats"),
    }
}

fn number(replay: &TransitionReplay, id: ObservationId) -> f32 {
    let mut shown = replay.observations.buffer(1);
    replay.observations.copy_to(id, &mut shown, None);
    floats(&shown)[0]
}

#[test]
fn what_is_remembered_is_what_was_lived() {
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (environments, n) = (rng.random_range(1..4), rng.random_range(1..5));
        let capacity = rng.random_range(30..200);
        let mut world = World::new(seed, environments);
        let exponent = f64::from(rng.random_range(0..2_u8));
        let mut replay =
            TransitionReplay::new(&space(), &shape(capacity, environments, n, exponent));
        for _ in 0..40 {
            if rng.random_range(0..10) == 0 {
                world.break_off();
                replay.break_off();
            }
            let steps = rng.random_range(1..7);
            replay.add(&world.segment(steps));
            let expected = world.transitions(n);
            let held = replay.table.items().numbers().map(ObservationId);
            let mut complete = 0;
            for id in held {
                let expected = expected.get(&(number(&replay, id) as u32));
                let found = replay.table.items().slots()[replay.slot(id.0)];
                complete += usize::from(found.is_some());
                let found = found.map(|one| {
                    assert_eq!(one.observation, id, "seed {seed}");
                    let next = one.next.map(|id| number(&replay, id));
                    (one.action, one.reward, one.discount, next)
                });
                assert_eq!(found, expected.copied(), "seed {seed}");
            }
            assert_eq!(replay.len(), complete, "seed {seed}");
            let all = all(&replay);
            if !all.is_empty() {
                let all = DrawnTransitions {
                    transitions: all,
                    weights: Vec::new(),
                };
                let next = replay.selection(all).gather().next_observations;
                assert_eq!(next.masks(), masks(floats(&next)), "seed {seed}");
            }
            let numbers = replay.table.items().numbers();
            let kept = numbers.end - numbers.start;
            assert!(kept as usize <= capacity);
            if let Some(priorities) = replay.table.priorities() {
                let total: f64 = replay
                    .table
                    .items()
                    .slots()
                    .iter()
                    .enumerate()
                    .map(|(slot, one)| {
                        let p = priorities.tree.get(slot);
                        assert_eq!(p > 0.0, one.is_some(), "seed {seed}: slot {slot}");
                        p
                    })
                    .sum();
                assert!((priorities.tree.total() - total).abs() < 1e-9);
            }
        }
    }
}

/// Those that are complete, by slot.
fn all(replay: &TransitionReplay) -> Vec<Transition> {
    let slots = replay.table.items().slots().iter();
    slots.flatten().copied().collect()
}

fn keys(transitions: &[Transition]) -> Vec<u64> {
    transitions.iter().map(|one| one.observation.0).collect()
}

/// A full memory of one environment, with priorities that are all different where it has any.
fn filled(exponent: f64) -> TransitionReplay {
    let mut world = World::new(5, 1);
    let mut replay = TransitionReplay::new(&space(), &shape(60, 1, 2, exponent));
    for _ in 0..30 {
        replay.add(&world.segment(7));
    }
    let all = all(&replay);
    let errors: Vec<f32> = (0..all.len()).map(|i| 0.1 * (i as f32 + 1.0)).collect();
    replay.reprioritise(&keys(&all), &errors);
    replay
}

fn frequencies(replay: &TransitionReplay, batch: usize, batches: usize) -> HashMap<u64, f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut counts: HashMap<u64, f64> = HashMap::new();
    for _ in 0..batches {
        for one in replay.sample(batch, 0.4, &mut rng).transitions {
            *counts.entry(one.observation.0).or_default() += 1.0;
        }
    }
    counts
}

#[test]
fn uniform_sampling_draws_each_transition_as_often() {
    let replay = filled(0.0);
    let draws = 200_000.0;
    let counts = frequencies(&replay, 10, 20_000);
    assert_eq!(counts.len(), replay.len());
    let p = 1.0 / replay.len() as f64;
    let deviation = (draws * p * (1.0 - p)).sqrt();
    for count in counts.values() {
        assert!(
            (count - draws * p).abs() < 5.0 * deviation,
            "{count} for {}",
            draws * p
        );
    }
}

#[test]
fn prioritized_sampling_draws_by_the_exponent_of_the_td_error() {
    for exponent in [0.6, 1.0] {
        let replay = filled(exponent);
        let draws = 200_000.0;
        let counts = frequencies(&replay, 10, 20_000);
        let all: Vec<&Transition> = replay.table.items().slots().iter().flatten().collect();
        let error = |i: usize| 0.1 * (i as f64 + 1.0);
        let total: f64 = (0..all.len()).map(|i| error(i).powf(exponent)).sum();
        for (i, one) in all.iter().enumerate() {
            let p = error(i).powf(exponent) / total;
            let count = counts[&one.observation.0];
            let deviation = (draws * p * (1.0 - p)).sqrt();
            assert!(
                (count - draws * p).abs() < 5.0 * deviation,
                "{count} for {}",
                draws * p
            );
        }
    }
}

#[test]
fn weights_undo_the_priorities() {
    let replay = filled(0.6);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let priorities = replay.table.priorities().unwrap();
    for beta in [0.0, 0.4, 1.0] {
        let DrawnTransitions {
            transitions,
            weights,
        } = replay.sample(16, beta, &mut rng);
        let raw: Vec<f64> = transitions
            .iter()
            .map(|one| {
                let slot = replay.slot(one.observation.0);
                let p = priorities.tree.get(slot) / priorities.tree.total();
                (1.0 / replay.len() as f64 * 1.0 / p).powf(beta)
            })
            .collect();
        let largest = raw.iter().copied().fold(0.0, f64::max);
        for (weight, raw) in weights.iter().zip(raw) {
            assert!((f64::from(*weight) - raw / largest).abs() < 1e-6);
        }
        assert!(weights.contains(&1.0));
    }
}

#[test]
fn a_new_transition_has_the_largest_priority_and_a_broken_error_changes_none() {
    let mut world = World::new(8, 1);
    let mut replay = TransitionReplay::new(&space(), &shape(100, 1, 1, 1.0));
    replay.add(&world.segment(4));
    let first: Vec<Transition> = replay
        .table
        .items()
        .slots()
        .iter()
        .flatten()
        .copied()
        .collect();
    replay.reprioritise(&keys(&first), &[7.0, 0.5, f32::NAN, f32::INFINITY]);
    replay.add(&world.segment(1));
    let newest = replay
        .table
        .items()
        .slots()
        .iter()
        .flatten()
        .last()
        .unwrap();
    let priorities = replay.table.priorities().unwrap();
    let priority = |one: &Transition| priorities.tree.get(replay.slot(one.observation.0));
    assert_eq!(priority(newest), 7.0);
    let after: Vec<f64> = first.iter().map(priority).collect();
    assert_eq!(after, [7.0, 0.5, 1.0, 1.0]);
}

/// As where observations are normalised, and the statistics have moved meanwhile.
#[test]
fn an_episode_goes_on_although_its_newest_observation_looks_different_now() {
    let segment = |first: f32, last: f32| {
        let mut segment = Segment::new(1, &spaces());
        segment
            .observations
            .extend(Observations::F32(&[first]), None);
        segment.actions.extend(&Actions::Discrete(vec![0]));
        segment.rewards.push(1.0);
        segment.ends.push(End::Continues);
        segment
            .bootstrap_observations
            .extend(Observations::F32(&[last]), None);
        segment
    };
    let mut replay = TransitionReplay::new(&space(), &shape(10, 1, 2, 0.0));
    replay.add(&segment(1.0, 2.0));
    replay.add(&segment(2.5, 3.0));
    let found: Vec<Transition> = replay
        .table
        .items()
        .slots()
        .iter()
        .flatten()
        .copied()
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(number(&replay, found[0].observation), 1.0);
    assert_eq!(number(&replay, found[0].next.unwrap()), 3.0);
}
