use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use troop_common::experience::Observations;
use troop_common::spaces::ElementType;

use super::*;

const STACK: usize = 4;
const FRAME: usize = 6;

fn space() -> ObservationSpace {
    ObservationSpace {
        shape: vec![STACK, 2, 3],
        element: ElementType::U8,
    }
}

/// A stream of stacks as environments show them: steps that shift, resets that pad, scenes that stand still,
/// final observations, and now and then a stack that has nothing to do with the others.
struct Stream {
    rng: ChaCha8Rng,
    stacks: Vec<VecDeque<Vec<u8>>>,
}

impl Stream {
    fn new(seed: u64, environments: usize) -> Self {
        let mut stream = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            stacks: vec![VecDeque::new(); environments],
        };
        for environment in 0..environments {
            stream.reset(environment);
        }
        stream
    }

    /// Few distinct frames, so that equal ones meet everywhere.
    fn frame(&mut self) -> Vec<u8> {
        vec![self.rng.random_range(0..3); FRAME]
    }

    fn reset(&mut self, environment: usize) {
        let first = self.frame();
        self.stacks[environment] = vec![first; STACK].into();
    }

    fn next(&mut self, environment: usize) -> Vec<u8> {
        match self.rng.random_range(0..12) {
            0 => self.reset(environment),
            1 => {
                let fresh = (0..STACK).map(|_| self.frame()).collect();
                self.stacks[environment] = fresh;
            }
            kind => {
                let frame = match kind {
                    2..6 => self.stacks[environment][STACK - 1].clone(),
                    _ => self.frame(),
                };
                self.stacks[environment].pop_front();
                self.stacks[environment].push_back(frame);
            }
        }
        self.stacks[environment].iter().flatten().copied().collect()
    }
}

#[test]
fn what_is_held_is_byte_for_byte_what_was_shown() {
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
        let environments = rng.random_range(1..4);
        let capacity = rng.random_range(STACK..60);
        let mut stream = Stream::new(seed, environments);
        let mut store = ObservationStore::new(&space(), STACK, environments, capacity);
        let mut shown: Vec<Vec<u8>> = Vec::new();
        for step in 0..400 {
            let environment = rng.random_range(0..environments);
            let observation = stream.next(environment);
            let before = store.oldest();
            let id = store.push(environment, &observation);
            shown.push(observation);
            assert_eq!(id, ObservationId(step));
            assert!(store.oldest() >= before, "seed {seed}: it went back");
            assert!(store.holds(id), "seed {seed}: the newest is there");
            for id in store.oldest().0..=id.0 {
                let mut found = store.buffer(1);
                store.copy_to(ObservationId(id), &mut found, None);
                let expected = &shown[id as usize];
                assert_eq!(found.bytes(0), expected, "seed {seed}, observation {id}");
            }
        }
    }
}

/// Random bytes, so that no two frames are equal by chance.
fn stacks_of_an_episode(rng: &mut ChaCha8Rng, steps: usize) -> Vec<Vec<u8>> {
    let mut frame = || (0..FRAME).map(|_| rng.random::<u8>()).collect::<Vec<u8>>();
    let mut stack: VecDeque<Vec<u8>> = vec![frame(); STACK].into();
    let mut shown = Vec::new();
    for _ in 0..steps {
        shown.push(stack.iter().flatten().copied().collect());
        stack.pop_front();
        stack.push_back(frame());
    }
    shown
}

#[test]
fn a_step_costs_one_frame_and_so_does_a_reset() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut store = ObservationStore::new(&space(), STACK, 2, 1000);
    let mut pushed = 0;
    for _ in 0..5 {
        let episodes = [0, 1].map(|_| stacks_of_an_episode(&mut rng, 40));
        for (first, second) in episodes[0].iter().zip(&episodes[1]) {
            store.push(0, first);
            store.push(1, second);
            pushed += 2;
            assert_eq!(store.stored, pushed);
        }
    }
    assert_eq!(store.oldest(), ObservationId(0));
}

#[test]
fn the_newest_frames_are_kept_as_many_as_there_is_room_for() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut store = ObservationStore::new(&space(), STACK, 1, 50);
    for stack in stacks_of_an_episode(&mut rng, 500) {
        store.push(0, &stack);
    }
    // The oldest stack still needs the three frames before its own.
    let held = store.next().0 - store.oldest().0;
    assert_eq!(held, 50 - (STACK as u64 - 1));
}

#[test]
fn a_scene_that_stands_still_does_not_hold_on_to_old_frames() {
    let mut store = ObservationStore::new(&space(), STACK, 1, 20);
    for _ in 0..1000 {
        let id = store.push(0, &[7; STACK * FRAME]);
        assert!(store.holds(id));
    }
    assert!(store.next().0 - store.oldest().0 >= 16);
}

#[test]
fn vectors_of_floats_are_kept_as_they_are() {
    let space = ObservationSpace {
        shape: vec![3],
        element: ElementType::F32,
    };
    let mut store = ObservationStore::new(&space, 1, 1, 2);
    let rows = [
        [1.0_f32, -0.0, f32::NAN],
        [0.5, 1e-40, f32::MAX],
        [1.0, 2.0, 3.0],
    ];
    let ids: Vec<ObservationId> = rows
        .iter()
        .map(|row| store.push(0, bytemuck::cast_slice(row)))
        .collect();
    assert!(!store.holds(ids[0]));
    let mut found = store.buffer(2);
    for id in [ids[2], ids[1]] {
        store.copy_to(id, &mut found, None);
    }
    assert_eq!((found.len(), found.shape()), (2, &[3][..]));
    let expected = [1.0, 2.0, 3.0, 0.5, 1e-40, f32::MAX];
    assert_eq!(found.values(), Observations::F32(&expected));
}

#[test]
fn a_segment_goes_on_where_the_last_one_ended() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let episode = stacks_of_an_episode(&mut rng, 3);
    let mut store = ObservationStore::new(&space(), STACK, 2, 100);
    assert_eq!(store.newest_if(0, &episode[0]), None);
    let first = store.push(0, &episode[0]);
    let other = store.push(1, &episode[2]);
    assert_eq!(store.newest_if(0, &episode[0]), Some(first));
    assert_eq!(store.newest_if(0, &episode[1]), None);
    assert_eq!(store.newest_if(1, &episode[2]), Some(other));
}

#[test]
fn a_million_atari_frames_fit_eight_gigabytes() {
    let atari = ObservationSpace {
        shape: vec![4, 84, 84],
        element: ElementType::U8,
    };
    assert!(ObservationStore::bytes(&atari, 4, 1_000_000) < 7_200_000_000);
    assert!(ObservationStore::bytes(&atari, 4, 50_000) < 400_000_000);
}
