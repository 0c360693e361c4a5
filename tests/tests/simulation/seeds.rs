use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Runs this one seed.
const SEED: &str = "TROOP_SIMULATION_SEED";

/// Runs so many seeds.
const SEEDS: &str = "TROOP_SIMULATION_SEEDS";

const DEFAULT_SEEDS: u64 = 200;

/// A test that runs many seeds.
pub(crate) struct Sweep {
    /// Names the test.
    pub(crate) filter: &'static str,
    pub(crate) simulate: fn(u64) -> Result<Vec<String>, String>,
    /// Things that should happen in some of the runs, as their lines tell.
    pub(crate) expected: &'static [&'static str],
    /// Others that are counted.
    pub(crate) counted: &'static [&'static str],
}

impl Sweep {
    /// Runs as many seeds as the environment asks for.
    ///
    /// # Panics
    /// If one of them fails, or if all of them together do not show what is expected.
    pub(crate) fn run(&self) {
        if let Some(seed) = one() {
            if let Err(why) = self.attempt(seed) {
                panic!("{why}");
            }
            return;
        }
        let seeds = variable(SEEDS).unwrap_or(DEFAULT_SEEDS);
        let happened = Mutex::default();
        let failed = self.failures(seeds, &happened);
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
        let happened: BTreeMap<&str, u64> = happened.into_inner().unwrap();
        println!("in {seeds} runs: {happened:?}");
        for expected in self.expected {
            assert!(happened.contains_key(expected), "no run had `{expected}`");
        }
    }

    /// Runs on all cores; every run stays on one of them.
    fn failures(&self, seeds: u64, happened: &Mutex<BTreeMap<&'static str, u64>>) -> Vec<String> {
        let next = AtomicU64::new(0);
        let attempt = |seed| {
            self.attempt(seed)
                .map(|lines| self.count(&lines, happened))
                .err()
        };
        let work = || {
            let claim = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds);
            let failures = std::iter::from_fn(claim).filter_map(attempt);
            failures.collect::<Vec<_>>()
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

    fn count(&self, lines: &[String], happened: &Mutex<BTreeMap<&'static str, u64>>) {
        let mut happened = happened.lock().unwrap();
        for line in lines {
            let told = self.expected.iter().chain(self.counted);
            for said in told.filter(|said| line.contains(**said)) {
                *happened.entry(*said).or_default() += 1;
            }
        }
    }

    /// What a seed gives, or why it failed and how to repeat it.
    fn attempt(&self, seed: u64) -> Result<Vec<String>, String> {
        let result = catch_unwind(AssertUnwindSafe(|| (self.simulate)(seed)));
        let result = result.unwrap_or_else(|_| Err("a panic, see above".into()));
        let filter = self.filter;
        result.map_err(|why| {
            format!(
                "seed {seed}: {why}\nrepeat it with: {SEED}={seed} cargo test --release -p troop-tests \
                 --test simulation {filter} -- --nocapture"
            )
        })
    }
}

/// The one seed that is to be run.
pub(crate) fn one() -> Option<u64> {
    variable(SEED)
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`; expected a number")))
}
