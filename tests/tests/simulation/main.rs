//! Learner and actors in one thread and in virtual time: the real service, the real links and the
//! real transport over a simulated network that loses, delays and holds messages, with processes
//! that crash and come back. Everything that happens follows from one seed.

mod faults;
mod invariants;
mod ledger;
mod scenario;
mod trace;
mod turns;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use scenario::Scenario;
use world::{run, simulate};

/// Runs this one seed.
const SEED: &str = "TROOP_SIMULATION_SEED";

/// Runs so many seeds.
const SEEDS: &str = "TROOP_SIMULATION_SEEDS";

const DEFAULT_SEEDS: u64 = 200;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`; expected a number")))
}

/// Why a seed's run failed; none where it did not.
fn failure(seed: u64) -> Option<String> {
    let result = catch_unwind(AssertUnwindSafe(|| simulate(seed)));
    let why = match result {
        Ok(Ok(_)) => return None,
        Ok(Err(why)) => why,
        Err(_) => "a panic, see above".into(),
    };
    Some(format!(
        "seed {seed}: {why}\nrepeat it with: {SEED}={seed} cargo test --release -p troop-tests \
         --test simulation runs_keep -- --nocapture"
    ))
}

/// Runs on all cores; every run stays on one of them.
fn failures(seeds: u64) -> Vec<String> {
    let next = AtomicU64::new(0);
    let work = || {
        let claim = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds);
        std::iter::from_fn(claim)
            .filter_map(failure)
            .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let found = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        found.collect()
    })
}

#[test]
fn runs_keep_what_is_promised_and_go_on_once_faults_are_over() {
    let failed = match variable(SEED) {
        Some(seed) => failure(seed).into_iter().collect(),
        None => failures(variable(SEEDS).unwrap_or(DEFAULT_SEEDS)),
    };
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn workers_that_take_turns_send_no_gradient_that_is_older_than_promised() {
    for seed in 0..30 {
        if let Err(why) = run(Scenario::of_turns(seed)) {
            panic!("seed {seed}: {why}");
        }
    }
}

/// What happened, sorted within each virtual millisecond: which of the tasks that a publish wakes goes first is
/// tokio's choice, not the seed's.
fn by_moment(mut run: Vec<String>) -> Vec<String> {
    let moment = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    for together in run.chunk_by_mut(|one, other| moment(one) == moment(other)) {
        together.sort();
    }
    run
}

#[test]
fn a_seed_gives_the_same_run_each_time_and_another_seed_another_run() {
    for seed in 0..12 {
        let run = || by_moment(simulate(seed).unwrap());
        let (first, again) = (run(), run());
        let differs = first
            .iter()
            .zip(&again)
            .position(|(one, other)| one != other);
        if let Some(line) = differs {
            let around = line.saturating_sub(3)..(line + 2).min(first.len()).min(again.len());
            panic!(
                "seed {seed} gave two runs, from line {line} on:\n{}\n--\n{}",
                first[around.clone()].join("\n"),
                again[around].join("\n")
            );
        }
        assert_eq!(first.len(), again.len(), "seed {seed}");
        assert_ne!(first, by_moment(simulate(seed + 1_000).unwrap()));
    }
}
