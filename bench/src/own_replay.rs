//! What a worker's replay memory of Atari frames takes, and how fast it is.

use std::fmt;
use std::time::Instant;

use anyhow::Context;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use troop_common::experience::{Actions, End, Observations, RecurrentState, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::available_memory::{self, ReplayDemand};
use troop_replay::{TransitionReplay, TransitionShape};

use super::process_usage::peak_memory_bytes;

const STACK: usize = 4;
const SIDE: usize = 84;
const FRAME: usize = SIDE * SIDE;
/// Env steps of a segment.
const SEGMENT: usize = 64;
/// Env steps of an episode, about as long as a short one of Pong.
const EPISODE: usize = 1000;

/// What was found, in base units.
#[derive(Serialize)]
pub(super) struct OwnReport {
    env_steps: u32,
    transitions: usize,
    expected_bytes: u64,
    peak_memory_bytes: u64,
    peak_memory_bytes_per_env_step: f64,
    env_steps_added_per_second: f64,
    transitions_sampled_per_second: f64,
}

/// Fills one of so many env steps, and samples batches of it, by priority if wanted.
///
/// # Errors
/// If there is not enough memory.
pub(super) fn measure(
    env_steps: u32,
    batch: usize,
    prioritized: bool,
) -> anyhow::Result<OwnReport> {
    let spaces = spaces();
    let shape = TransitionShape {
        capacity: env_steps as usize,
        stack: STACK,
        environments: 1,
        n_step: 3,
        discount: 0.99,
        priority_exponent: if prioritized { 0.6 } else { 0.0 },
        priority_epsilon: 1e-6,
    };
    let expected_bytes = TransitionReplay::bytes(&spaces.observation, &shape);
    let demand = ReplayDemand {
        bytes_per_worker: expected_bytes,
        capacity_key: "--env-steps",
        capacity: shape.capacity,
    };
    available_memory::check(&demand, 1)?;
    let mut replay = TransitionReplay::new(&spaces.observation, &shape);
    let added = fill(&mut replay, &spaces);
    let sampled = sample(&replay, batch);
    let peak = peak_memory_bytes(std::process::id()).context("this process's memory")?;
    Ok(OwnReport {
        env_steps,
        transitions: replay.len(),
        expected_bytes,
        peak_memory_bytes: peak,
        peak_memory_bytes_per_env_step: peak as f64 / f64::from(env_steps),
        env_steps_added_per_second: added,
        transitions_sampled_per_second: sampled,
    })
}

fn spaces() -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![STACK, SIDE, SIDE],
            element: ElementType::U8,
        },
        action: ActionSpace::Discrete { n: 6 },
    }
}

/// Adds a tenth more env steps than there is room for; gives how many a second, drawing the frames included.
fn fill(replay: &mut TransitionReplay, spaces: &Spaces) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut segment = Segment::new(1, spaces);
    let mut stack = vec![0; STACK * FRAME];
    let (total, mut step) = (replay.capacity() + replay.capacity() / 10, 0);
    let started = Instant::now();
    while step < total {
        segment.restart(&RecurrentState::new(1, 0), 0);
        for _ in 0..SEGMENT {
            segment.observations.extend(Observations::U8(&stack), None);
            segment.actions.extend(&Actions::Discrete(vec![0]));
            segment.rewards.push(0.0);
            step += 1;
            let ends = step % EPISODE == 0;
            segment.ends.push(if ends {
                End::Terminated
            } else {
                End::Continues
            });
            advance(&mut stack, ends, &mut rng);
        }
        let last = Observations::U8(&stack);
        segment.bootstrap_observations.extend(last, None);
        replay.add(&segment);
    }
    step as f64 / started.elapsed().as_secs_f64()
}

/// A new frame at the end of the stack, or everywhere where an episode begins.
fn advance(stack: &mut [u8], begins: bool, rng: &mut ChaCha8Rng) {
    stack.copy_within(FRAME.., 0);
    rng.fill_bytes(&mut stack[(STACK - 1) * FRAME..]);
    if begins {
        for frame in 0..STACK - 1 {
            stack.copy_within((STACK - 1) * FRAME.., frame * FRAME);
        }
    }
}

/// Transitions a second, as a network takes them.
fn sample(replay: &TransitionReplay, batch: usize) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let started = Instant::now();
    let mut sampled = 0;
    while started.elapsed().as_secs_f64() < 1.0 {
        let batch = replay.draw(batch, 0.4, &mut rng);
        sampled += std::hint::black_box(batch).len();
    }
    sampled as f64 / started.elapsed().as_secs_f64()
}

impl fmt::Display for OwnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        writeln!(f, "env steps remembered   {:>12}", self.env_steps)?;
        writeln!(f, "transitions            {:>12}", self.transitions)?;
        writeln!(
            f,
            "expected GB            {:>12.3}",
            gigabytes(self.expected_bytes)
        )?;
        writeln!(
            f,
            "peak memory GB         {:>12.3}",
            gigabytes(self.peak_memory_bytes)
        )?;
        writeln!(
            f,
            "bytes an env step      {:>12.0}",
            self.peak_memory_bytes_per_env_step
        )?;
        writeln!(
            f,
            "added env steps/s      {:>12.0}",
            self.env_steps_added_per_second
        )?;
        writeln!(
            f,
            "sampled transitions/s  {:>12.0}",
            self.transitions_sampled_per_second
        )
    }
}
