//! What a worker's own memories draw is fixed to the bit: a change here changes every run that learns from replay.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{SegmentReplay, SegmentShape, TransitionReplay, TransitionShape};

const STACK: usize = 3;
const FRAME: usize = 4;
const CHOICES: usize = 3;

fn spaces() -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![STACK, 2, 2],
            element: ElementType::U8,
        },
        action: ActionSpace::Discrete { n: CHOICES },
    }
}

/// Environments that stack few distinct frames, so that equal ones meet everywhere.
struct World {
    rng: ChaCha8Rng,
    stacks: Vec<Vec<u8>>,
    version: u64,
}

impl World {
    fn new(seed: u64, environments: usize) -> Self {
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            stacks: vec![Vec::new(); environments],
            version: 0,
        };
        world.reset();
        world
    }

    fn frame(&mut self) -> Vec<u8> {
        vec![self.rng.random_range(0..4); FRAME]
    }

    fn reset(&mut self) {
        for e in 0..self.stacks.len() {
            self.stacks[e] = self.frame().repeat(STACK);
        }
    }

    fn segment(&mut self, steps: usize) -> Segment {
        let environments = self.stacks.len();
        let mut segment = Segment::new(environments, &spaces());
        self.version += self.rng.random_range(0..3);
        segment.version = self.version;
        for _ in 0..steps {
            for e in 0..environments {
                self.step(e, &mut segment);
            }
        }
        for stack in &self.stacks {
            show(stack, &mut segment.bootstrap_observations);
        }
        segment
    }

    fn step(&mut self, e: usize, segment: &mut Segment) {
        show(&self.stacks[e], &mut segment.observations);
        let frame = self.frame();
        self.stacks[e].drain(..FRAME);
        self.stacks[e].extend(frame);
        let end = match self.rng.random_range(0..12) {
            0 => End::Terminated,
            1 => End::Truncated,
            2 => End::LifeLost,
            _ => End::Continues,
        };
        if end == End::Truncated {
            show(&self.stacks[e], &mut segment.truncated_observations);
        }
        if matches!(end, End::Terminated | End::Truncated) {
            self.stacks[e] = self.frame().repeat(STACK);
        }
        let action = self.rng.random_range(0..CHOICES as i64);
        segment.actions.extend(&Actions::Discrete(vec![action]));
        let behaviour = [self.rng.random::<f32>(), self.rng.random()];
        segment.behaviour.extend(behaviour);
        segment.rewards.push(self.rng.random());
        segment.ends.push(end);
    }
}

fn show(stack: &[u8], buffer: &mut ObservationBuffer) {
    let mask: Vec<bool> = (0..CHOICES).map(|a| a == 0 || stack[a] > 1).collect();
    buffer.extend(Observations::U8(stack), Some(&mask));
}

/// FNV-1a.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn add_floats(&mut self, numbers: &[f32]) {
        self.add(bytemuck::cast_slice(numbers));
    }

    fn add_buffer(&mut self, buffer: &ObservationBuffer) {
        for i in 0..buffer.len() {
            self.add(buffer.bytes(i));
        }
        for open in buffer.masks() {
            self.add(&[u8::from(*open)]);
        }
    }
}

fn of_transitions(seed: u64, digest: &mut Digest) {
    let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
    let environments = rng.random_range(1..4);
    let mut world = World::new(seed, environments);
    let shape = TransitionShape {
        capacity: rng.random_range(30..200),
        stack: STACK,
        environments,
        n_step: rng.random_range(1..5),
        discount: 0.9,
        priority_exponent: [0.0, 0.6][rng.random_range(0..2)],
        priority_epsilon: 1e-3,
    };
    let mut replay = TransitionReplay::new(&spaces().observation, &shape);
    for _ in 0..30 {
        if rng.random_range(0..10) == 0 {
            world.reset();
            replay.break_off();
        }
        replay.add(&world.segment(rng.random_range(1..8)));
        if replay.is_empty() {
            continue;
        }
        let drawn = replay.draw(8, 0.4, &mut rng);
        digest.add(bytemuck::cast_slice(&drawn.keys));
        digest.add(bytemuck::cast_slice(&drawn.actions));
        digest.add_floats(&drawn.rewards);
        digest.add_floats(&drawn.discounts);
        digest.add_floats(&drawn.weights);
        digest.add_buffer(&drawn.observations);
        digest.add_buffer(&drawn.next_observations);
        let errors: Vec<f32> = drawn.keys.iter().map(|_| rng.random()).collect();
        replay.reprioritise(&drawn.keys, &errors);
        digest.add(&replay.len().to_le_bytes());
    }
}

fn of_segments(seed: u64, digest: &mut Digest) {
    let mut rng = ChaCha8Rng::seed_from_u64(2000 + seed);
    let environments = rng.random_range(1..4);
    let mut world = World::new(seed, environments);
    let t_max = rng.random_range(2..7);
    let mut replay = SegmentReplay::new(SegmentShape {
        spaces: spaces(),
        stack: STACK,
        environments,
        t_max,
        capacity: rng.random_range(60..200),
    });
    for _ in 0..40 {
        if rng.random_range(0..10) == 0 {
            world.reset();
            replay.interrupt();
        }
        replay.store(&world.segment(t_max));
        let Some(segment) = replay.sample(&mut rng) else {
            continue;
        };
        let Actions::Discrete(actions) = &segment.actions else {
            panic!("discrete actions")
        };
        digest.add(bytemuck::cast_slice(actions));
        digest.add_floats(&segment.rewards);
        digest.add_floats(&segment.behaviour);
        segment
            .ends
            .iter()
            .for_each(|end| digest.add(&[*end as u8]));
        digest.add_buffer(&segment.observations);
        digest.add_buffer(&segment.bootstrap_observations);
        digest.add_buffer(&segment.truncated_observations);
        digest.add(&segment.version.to_le_bytes());
        digest.add(&replay.len().to_le_bytes());
    }
}

fn digest(seeds: u64, of: impl Fn(u64, &mut Digest)) -> u64 {
    let mut digest = Digest::new();
    (0..seeds).for_each(|seed| of(seed, &mut digest));
    digest.0
}

#[test]
fn transitions_are_drawn_as_ever() {
    assert_eq!(digest(200, of_transitions), 6_039_348_355_143_264_976);
}

#[test]
fn segments_are_drawn_as_ever() {
    assert_eq!(digest(200, of_segments), 118_250_976_795_713_394);
}
