//! `troop bench replay --shared`: what one replay takes in from several writers while others draw from it, in one process.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use troop_common::experience::Segment;
use troop_replay::Replay;

use super::shown::{SHOWN, Shown, WRITERS};

const READERS: usize = 1;
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
    let replay = Replay::new(shown.settings(batch))?;
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

/// Environments that live through the same round for ever.
struct Writer {
    id: troop_replay::WriterId,
    segments: Vec<Segment>,
    sequence: u64,
}

impl Writer {
    fn new(replay: &Replay, shown: Shown, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            id: replay.join(shown.environments())?,
            segments: shown.segments(seed),
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
            let segment = &self.segments[self.sequence as usize % self.segments.len()];
            replay.append(self.id, self.sequence, segment)?;
            self.sequence += 1;
            added.fetch_add(segment.len() as u64, Ordering::Relaxed);
        }
        Ok(self)
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
