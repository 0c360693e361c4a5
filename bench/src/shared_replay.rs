//! `troop bench replay --shared`: what one replay takes in from several writers while others draw from it, in one process.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use troop_common::experience::{Actions, End, ObservationBuffer, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{InitialPriority, ItemKind, Pace, Replay, ReplaySettings, TableKind};

/// Env steps of a segment.
const SEGMENT: usize = 20;
/// Segments that a writer adds over and over: the last goes on with the first.
const SEGMENTS: usize = 16;
const WRITERS: usize = 4;
const READERS: usize = 1;
const ACTIONS: usize = 6;
const MEASURED: Duration = Duration::from_secs(3);

/// What was found, in base units.
#[derive(Serialize)]
pub(crate) struct SharedReport {
    kinds: Vec<Kind>,
}

/// One kind of observations.
#[derive(Serialize)]
struct Kind {
    observations: &'static str,
    /// With nobody who draws.
    env_steps_added_per_second_alone: f64,
    /// With nobody who adds.
    transitions_drawn_per_second_alone: f64,
    /// Both at once.
    env_steps_added_per_second: f64,
    transitions_drawn_per_second: f64,
    bytes_held: u64,
    bytes_limit: u64,
}

/// What the environments show.
#[derive(Clone, Copy)]
struct Shown {
    name: &'static str,
    /// Numbers of a frame.
    frame: usize,
    stack: usize,
    element: ElementType,
    bytes: u64,
}

const SHOWN: [Shown; 2] = [
    Shown {
        name: "84x84x4 bytes",
        frame: 84 * 84,
        stack: 4,
        element: ElementType::U8,
        bytes: 400_000_000,
    },
    Shown {
        name: "vector of 4",
        frame: 4,
        stack: 1,
        element: ElementType::F32,
        bytes: 50_000_000,
    },
];

/// Fills replays and draws from them.
///
/// # Errors
/// If a writer cannot add.
pub(crate) fn measure(batch: usize) -> anyhow::Result<SharedReport> {
    let kinds = SHOWN.iter().map(|shown| measure_kind(*shown, batch));
    Ok(SharedReport {
        kinds: kinds.collect::<anyhow::Result<_>>()?,
    })
}

fn measure_kind(shown: Shown, batch: usize) -> anyhow::Result<Kind> {
    let replay = Replay::new(settings(shown, batch))?;
    let writers: Vec<Writer> = (0..WRITERS)
        .map(|seed| Writer::new(&replay, shown, seed as u64))
        .collect::<anyhow::Result<_>>()?;
    let (added_alone, _, writers) = run(&replay, writers, 0, batch)?;
    let (_, drawn_alone, _) = run(&replay, Vec::new(), READERS, batch)?;
    let (added, drawn, _) = run(&replay, writers, READERS, batch)?;
    let counts = replay.counts();
    Ok(Kind {
        observations: shown.name,
        env_steps_added_per_second_alone: added_alone,
        transitions_drawn_per_second_alone: drawn_alone,
        env_steps_added_per_second: added,
        transitions_drawn_per_second: drawn,
        bytes_held: counts.bytes_held,
        bytes_limit: counts.bytes_limit,
    })
}

fn settings(shown: Shown, batch: usize) -> ReplaySettings {
    ReplaySettings {
        spaces: spaces(shown),
        stack: shown.stack,
        behaviour_len: 2,
        state_len: 0,
        most_environments: WRITERS,
        most_environments_per_writer: 1,
        most_env_steps_per_append: SEGMENT,
        most_items_per_draw: batch,
        bytes: shown.bytes,
        items: ItemKind::Transitions {
            n_step: 3,
            discount: 0.99,
        },
        table: TableKind::Prioritized {
            exponent: 0.6,
            epsilon: 1e-6,
            initial: InitialPriority::Actor,
            pace: Pace {
                start_env_steps: 0,
                samples_per_insert: None,
            },
        },
    }
}

fn spaces(shown: Shown) -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![shown.stack, shown.frame],
            element: shown.element,
        },
        action: ActionSpace::Discrete { n: ACTIONS },
    }
}

/// Adds for some time with these writers, while so many readers draw: env steps and transitions a second.
fn run(
    replay: &Replay,
    writers: Vec<Writer>,
    readers: usize,
    batch: usize,
) -> anyhow::Result<(f64, f64, Vec<Writer>)> {
    let over = AtomicBool::new(false);
    let (added, drawn) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let writers = thread::scope(|scope| {
        let (over, added, drawn) = (&over, &added, &drawn);
        let threads: Vec<_> = writers
            .into_iter()
            .map(|writer| scope.spawn(move || writer.add(replay, over, added)))
            .collect();
        for seed in 0..readers {
            scope.spawn(move || draw(replay, batch, seed as u64, over, drawn));
        }
        thread::sleep(MEASURED);
        over.store(true, Ordering::Relaxed);
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .map(|writer| writer.ok().context("a writer panicked")?)
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = |count: AtomicU64| count.into_inner() as f64 / seconds;
    Ok((rate(added), rate(drawn), writers))
}

/// Draws batches, and gives them priorities.
fn draw(replay: &Replay, batch: usize, seed: u64, over: &AtomicBool, drawn: &AtomicU64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        if let Ok(Some(items)) = replay.draw(batch, 0.4, &mut rng) {
            let errors: Vec<f32> = items.keys().iter().map(|_| rng.random()).collect();
            replay.reprioritise(items.keys(), &errors);
            drawn.fetch_add(
                std::hint::black_box(items).keys().len() as u64,
                Ordering::Relaxed,
            );
        }
    }
}

/// One environment that lives through the same round for ever.
struct Writer {
    id: troop_replay::WriterId,
    segments: Vec<Segment>,
    sequence: u64,
}

impl Writer {
    fn new(replay: &Replay, shown: Shown, seed: u64) -> anyhow::Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let frames: Vec<Vec<u8>> = (0..SEGMENT * SEGMENTS)
            .map(|_| (0..shown.frame).map(|_| rng.random()).collect())
            .collect();
        let segments = (0..SEGMENTS).map(|number| segment(shown, &frames, number * SEGMENT));
        Ok(Self {
            id: replay.join(1)?,
            segments: segments.collect(),
            sequence: 0,
        })
    }

    /// Adds until it is over.
    fn add(
        mut self,
        replay: &Replay,
        over: &AtomicBool,
        added: &AtomicU64,
    ) -> anyhow::Result<Self> {
        while !over.load(Ordering::Relaxed) {
            let segment = &self.segments[self.sequence as usize % SEGMENTS];
            replay.append(self.id, self.sequence, segment)?;
            self.sequence += 1;
            added.fetch_add(SEGMENT as u64, Ordering::Relaxed);
        }
        Ok(self)
    }
}

/// The steps from number `first` on of a round of frames.
fn segment(shown: Shown, frames: &[Vec<u8>], first: usize) -> Segment {
    let mut segment = Segment::new(1, &spaces(shown));
    for step in first..first + SEGMENT {
        show(shown, frames, step, &mut segment.observations);
    }
    show(
        shown,
        frames,
        first + SEGMENT,
        &mut segment.bootstrap_observations,
    );
    segment.actions = Actions::Discrete(vec![0; SEGMENT]);
    segment.behaviour = vec![0.5; 2 * SEGMENT];
    segment.rewards = vec![1.0; SEGMENT];
    segment.ends = vec![End::Continues; SEGMENT];
    segment
}

fn show(shown: Shown, frames: &[Vec<u8>], step: usize, buffer: &mut ObservationBuffer) {
    let stacked = (step..step + shown.stack).map(|frame| &frames[frame % frames.len()]);
    let bytes: Vec<u8> = stacked.flatten().copied().collect();
    match shown.element {
        ElementType::U8 => buffer.extend(Observations::U8(&bytes), None),
        ElementType::F32 => {
            let numbers: Vec<f32> = bytes.into_iter().map(f32::from).collect();
            buffer.extend(Observations::F32(&numbers), None);
        }
    }
}

impl fmt::Display for SharedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in &self.kinds {
            writeln!(
                f,
                "{}, {WRITERS} writers, {READERS} reader",
                kind.observations
            )?;
            let rows = [
                (
                    "added env steps/s, alone",
                    kind.env_steps_added_per_second_alone,
                ),
                (
                    "drawn transitions/s, alone",
                    kind.transitions_drawn_per_second_alone,
                ),
                ("added env steps/s", kind.env_steps_added_per_second),
                ("drawn transitions/s", kind.transitions_drawn_per_second),
                ("MB held", kind.bytes_held as f64 / 1e6),
                ("MB at most", kind.bytes_limit as f64 / 1e6),
            ];
            for (name, value) in rows {
                writeln!(f, "  {name:<28} {value:>12.0}")?;
            }
        }
        Ok(())
    }
}
