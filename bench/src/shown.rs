//! What environments show: the same round for ever.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{InitialPriority, ItemKind, Pace, ReplaySettings, TableKind};

/// Env steps of a segment, of each environment.
const STEPS: usize = 20;
/// Segments that a writer adds over and over: the last goes on with the first.
const SEGMENTS: usize = 16;
/// Writers at once.
pub(super) const WRITERS: usize = 4;
const ACTIONS: usize = 6;

/// By priority, and nobody waits for the others.
const TABLE: TableKind = TableKind::Prioritized {
    exponent: 0.6,
    epsilon: 1e-6,
    initial: InitialPriority::Actor,
    pace: Pace {
        start_env_steps: 0,
        samples_per_insert: None,
    },
};

/// What the environments of a worker show.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) name: &'static str,
    environments: usize,
    /// Numbers of a frame.
    frame: usize,
    stack: usize,
    element: ElementType,
    pub(super) bytes: u64,
    /// Batches that are drawn at once: what is small is learnt from in larger ones.
    pub(super) batches: usize,
}

/// Frames, and vectors.
pub(super) const SHOWN: [Shown; 2] = [
    Shown {
        name: "84x84x4 bytes",
        environments: 1,
        frame: 84 * 84,
        stack: 4,
        element: ElementType::U8,
        bytes: 400_000_000,
        batches: 1,
    },
    Shown {
        name: "vector of 4",
        environments: 16,
        frame: 4,
        stack: 1,
        element: ElementType::F32,
        bytes: 100_000_000,
        batches: 16,
    },
];

impl Shown {
    /// Environments of a writer.
    pub(super) fn environments(&self) -> usize {
        self.environments
    }

    fn spaces(&self) -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![self.stack, self.frame],
                element: self.element,
            },
            action: ActionSpace::Discrete { n: ACTIONS },
        }
    }

    /// Three-step transitions, drawn by priority; nobody waits for the others.
    pub(super) fn settings(&self, batch: usize) -> ReplaySettings {
        ReplaySettings {
            spaces: self.spaces(),
            stack: self.stack,
            behaviour_len: 2,
            state_len: 0,
            most_environments: WRITERS * self.environments,
            most_environments_per_writer: self.environments,
            most_env_steps_per_append: STEPS * self.environments,
            most_items_per_draw: batch,
            bytes: self.bytes,
            max_age_versions: 0,
            items: ItemKind::Transitions {
                n_step: 3,
                discount: 0.99,
            },
            table: TABLE,
        }
    }

    /// Segments of one writer, one after the other.
    pub(super) fn segments(&self, seed: u64) -> Vec<Segment> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let frames: Vec<Vec<u8>> = (0..STEPS * SEGMENTS)
            .map(|_| (0..self.frame).map(|_| rng.random()).collect())
            .collect();
        let segment = |number| self.segment(&frames, number * STEPS);
        (0..SEGMENTS).map(segment).collect()
    }

    /// The steps from number `first` on; each environment is one step ahead of the one before it.
    fn segment(&self, frames: &[Vec<u8>], first: usize) -> Segment {
        let environments = self.environments;
        let mut segment = Segment::new(environments, &self.spaces());
        for step in 0..STEPS * environments {
            let number = first + step / environments + step % environments;
            self.show(frames, number, &mut segment.observations);
        }
        for environment in 0..environments {
            let number = first + STEPS + environment;
            self.show(frames, number, &mut segment.bootstrap_observations);
        }
        let steps = STEPS * environments;
        segment.actions = Actions::Discrete(vec![0; steps]);
        segment.behaviour = vec![0.5; 2 * steps];
        segment.rewards = vec![1.0; steps];
        segment.ends = vec![End::Continues; steps];
        segment
    }

    fn show(&self, frames: &[Vec<u8>], number: usize, buffer: &mut ObservationBuffer) {
        let stacked = (number..number + self.stack).map(|frame| &frames[frame % frames.len()]);
        let bytes: Vec<u8> = stacked.flatten().copied().collect();
        match self.element {
            ElementType::U8 => buffer.extend(Observations::U8(&bytes), None),
            ElementType::F32 => {
                let numbers: Vec<f32> = bytes.into_iter().map(f32::from).collect();
                buffer.extend(Observations::F32(&numbers), None);
            }
        }
    }
}
