use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{
    Actions, End, ObservationBuffer, Observations, RecurrentState, Segment,
};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

pub(crate) const STACK: usize = 3;
const CHOICES: usize = 4;
pub(crate) const STATE: usize = 2;
/// A frame says which one it is.
const FRAME: usize = size_of::<u64>();

pub(crate) fn spaces() -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![STACK, FRAME],
            element: ElementType::U8,
        },
        action: ActionSpace::Discrete { n: CHOICES },
    }
}

/// One step as it was lived through. Observations are called by the number of their newest frame.
#[derive(Clone, Debug)]
pub(crate) struct Lived {
    pub(crate) observation: u64,
    pub(crate) action: i64,
    pub(crate) behaviour: [f32; 2],
    pub(crate) state: [f32; STATE],
    pub(crate) reward: f32,
    pub(crate) end: End,
    /// What was shown after it: the final observation, where the episode was truncated.
    pub(crate) next: u64,
    /// The first observation after it, of whichever episode.
    pub(crate) following: u64,
    pub(crate) version: u64,
}

/// Steps of one environment of one writer without an interruption.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) steps: Vec<Lived>,
    pub(crate) over: bool,
}

/// Writers with their environments, and all that they ever lived through.
pub(crate) struct Lives {
    pub(crate) rng: ChaCha8Rng,
    /// Everything that was ever shown, by its number.
    pub(crate) shown: HashMap<u64, Vec<u8>>,
    /// All lives, also those that are over.
    pub(crate) all: Vec<Life>,
    frames: u64,
    version: u64,
    masks: bool,
}

/// One environment of a writer: what it shows, and which life it lives.
#[derive(Clone)]
pub(crate) struct Environment {
    stack: Vec<u8>,
    life: usize,
}

impl Lives {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            shown: HashMap::new(),
            all: Vec::new(),
            frames: 0,
            version: 0,
            masks: seed.is_multiple_of(2),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn environments(&mut self, count: usize) -> Vec<Environment> {
        (0..count).map(|_| self.begin()).collect()
    }

    /// Ends these lives, and begins others.
    pub(crate) fn interrupt(&mut self, environments: &mut [Environment]) {
        for environment in environments {
            self.all[environment.life].over = true;
            *environment = self.begin();
        }
    }

    /// What comes next of these environments is not known to continue what was.
    pub(crate) fn split(&mut self, environments: &mut [Environment]) {
        for environment in environments {
            self.all[environment.life].over = true;
            self.all.push(Life::default());
            environment.life = self.all.len() - 1;
        }
    }

    /// Ends these lives.
    pub(crate) fn end(&mut self, environments: &[Environment]) {
        for environment in environments {
            self.all[environment.life].over = true;
        }
    }

    /// Lives on; `kept` says whether it is remembered.
    pub(crate) fn segment(
        &mut self,
        environments: &mut [Environment],
        steps: usize,
        kept: bool,
    ) -> Segment {
        let mut segment = Segment::new(environments.len(), &spaces());
        self.version += self.rng.random_range(0..3);
        segment.version = self.version;
        for _ in 0..steps {
            for environment in environments.iter_mut() {
                let lived = self.step(environment, &mut segment);
                if kept {
                    self.all[environment.life].steps.push(lived);
                }
            }
        }
        for environment in environments {
            show(
                &environment.stack,
                self.masks,
                &mut segment.bootstrap_observations,
            );
        }
        let first = segment.states[..segment.environments * STATE].to_vec();
        segment.initial_state = RecurrentState::of(segment.environments, first);
        segment
    }

    /// What an observation looks like, and its mask.
    pub(crate) fn look(&self, number: u64) -> (&[u8], Option<Vec<bool>>) {
        let stack = &self.shown[&number];
        (stack, self.masks.then(|| mask(stack)))
    }

    fn begin(&mut self) -> Environment {
        self.all.push(Life::default());
        Environment {
            stack: self.reset(),
            life: self.all.len() - 1,
        }
    }

    fn frame(&mut self) -> [u8; FRAME] {
        self.frames += 1;
        self.frames.to_le_bytes()
    }

    fn reset(&mut self) -> Vec<u8> {
        let stack = self.frame().repeat(STACK);
        self.shown.insert(number(&stack), stack.clone());
        stack
    }

    fn step(&mut self, environment: &mut Environment, segment: &mut Segment) -> Lived {
        let before = environment.stack.clone();
        show(&before, self.masks, &mut segment.observations);
        let frame = self.frame();
        environment.stack.drain(..FRAME);
        environment.stack.extend(frame);
        let next = number(&environment.stack);
        self.shown.insert(next, environment.stack.clone());
        let end = match self.rng.random_range(0..16) {
            0 => End::Terminated,
            1 => End::Truncated,
            2 => End::LifeLost,
            _ => End::Continues,
        };
        if end == End::Truncated {
            show(
                &environment.stack,
                self.masks,
                &mut segment.truncated_observations,
            );
        }
        if matches!(end, End::Terminated | End::Truncated) {
            environment.stack = self.reset();
        }
        let lived = Lived {
            observation: number(&before),
            action: self.rng.random_range(0..CHOICES as i64),
            behaviour: [self.rng.random(), self.rng.random()],
            state: [self.rng.random(), self.rng.random()],
            reward: f32::from(self.rng.random_range(-3..4_i8)),
            end,
            next,
            following: number(&environment.stack),
            version: segment.version,
        };
        segment
            .actions
            .extend(&Actions::Discrete(vec![lived.action]));
        segment.behaviour.extend(lived.behaviour);
        segment.states.extend(lived.state);
        segment.rewards.push(lived.reward);
        segment.ends.push(end);
        lived
    }
}

/// The newest frame's.
pub(crate) fn number(stack: &[u8]) -> u64 {
    let newest = stack.last_chunk().expect("a frame");
    u64::from_le_bytes(*newest)
}

fn mask(stack: &[u8]) -> Vec<bool> {
    let number = number(stack);
    (0..CHOICES as u64)
        .map(|a| a == 0 || (number >> a) % 2 == 1)
        .collect()
}

fn show(stack: &[u8], masks: bool, buffer: &mut ObservationBuffer) {
    let mask = masks.then(|| mask(stack));
    buffer.extend(Observations::U8(stack), mask.as_deref());
}
