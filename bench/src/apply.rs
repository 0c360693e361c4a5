//! `troop bench apply`: how fast this machine applies gradients, next to how fast it moves bytes.

mod plain_loop;
mod report;

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use troop_common::experiment::{LearnerSettings, Optimizer, OptimizerSettings};
use troop_common::process::cores;
use troop_common::wire::Elements;
use troop_learner::apply::{Rule, Step, StripedParameters, global_norm};

use self::plain_loop::PlainLoop;
use self::report::{Concurrent, OptimizerReport, Report, Speed};

/// Alternations of what is compared; their medians are reported.
const ROUNDS: usize = 7;

/// What `--optimizer` calls all of them.
const ALL: &str = "all";

const OPTIMIZERS: [(&str, Optimizer); 5] = [
    ("sgd", Optimizer::Sgd),
    ("momentum", Optimizer::Momentum),
    ("rmsprop", Optimizer::Rmsprop),
    ("adagrad", Optimizer::Adagrad),
    ("adam", Optimizer::Adam),
];

const BYTES: usize = size_of::<f32>();

/// Measure the optimisers' kernels, and several appliers at once.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// Elements of the parameter vector
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = at_least_one())]
    params: usize,
    /// The optimiser to measure
    #[arg(long, value_name = "NAME", default_value = ALL, value_parser = names())]
    optimizer: String,
    /// Appliers at once, at most [default: one a core]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    appliers: Option<usize>,
    /// Time for each optimiser
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new([ALL].into_iter().chain(OPTIMIZERS.map(|(name, _)| name)))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, from 0 to 3600".to_owned()),
    }
}

/// Measures and prints.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn run(args: &ApplyArgs) -> anyhow::Result<()> {
    let chosen = |name: &str| args.optimizer == ALL || args.optimizer == name;
    let report = Bench::new(args).measure(OPTIMIZERS.into_iter().filter(|(name, _)| chosen(name)));
    let mut out = std::io::stdout();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}

/// What all measurements share.
struct Bench {
    parameters: Vec<f32>,
    /// One for each applier: gradients of different workers lie in different places.
    gradients: Vec<GradientPair>,
    time: Duration,
}

/// The same numbers for plain loops and for optimisers.
struct GradientPair {
    values: Arc<[f32]>,
    elements: Elements,
}

impl GradientPair {
    fn new(values: &[f32]) -> Self {
        let values: Arc<[f32]> = values.into();
        Self {
            elements: Elements::of(Arc::clone(&values)),
            values,
        }
    }
}

impl Bench {
    fn new(args: &ApplyArgs) -> Self {
        let appliers = args.appliers.unwrap_or_else(cores);
        let len = args.params;
        let gradient: Vec<f32> = (0..len).map(|i| (i % 255) as f32 * 1e-4 - 0.0127).collect();
        Self {
            parameters: vec![0.5; len],
            gradients: (0..appliers)
                .map(|_| GradientPair::new(&gradient))
                .collect(),
            time: Duration::from_secs_f64(args.seconds),
        }
    }

    fn measure(&self, optimizers: impl Iterator<Item = (&'static str, Optimizer)>) -> Report {
        let bytes = self.parameters.len() * BYTES;
        let slice = self.time / (2 * ROUNDS) as u32;
        let mut copy = self.parameters.clone();
        let gradient = &self.gradients[0].values;
        let [memcpy, norm] = alternate([
            &mut || time_each(slice, || copy.copy_from_slice(black_box(gradient))),
            &mut || time_each(slice, || _ = black_box(global_norm(gradient))),
        ])
        .map(median);
        Report {
            parameters: self.parameters.len(),
            stripes: stripes(),
            rounds: ROUNDS,
            memcpy_gb_per_second: Speed::new(memcpy, 2 * bytes).gb_per_second,
            norm: Speed::new(norm, bytes),
            optimizers: optimizers
                .map(|(name, optimizer)| self.optimizer(name, optimizer))
                .collect(),
        }
    }

    fn optimizer(&self, name: &'static str, optimizer: Optimizer) -> OptimizerReport {
        let rule = Rule::new(&OptimizerSettings {
            name: optimizer,
            ..OptimizerSettings::default()
        });
        let written = 1 + rule.state_names().len();
        let bytes = (2 * written + 1) * self.parameters.len() * BYTES;
        let slice = self.time / (ROUNDS * 2 * (1 + self.gradients.len())) as u32;
        let target = Target::new(rule, &self.parameters);
        let mut plain = PlainLoop::new(&self.parameters, written);
        let [kernel, moved] = alternate([
            &mut || time_each(slice, || target.step(&self.gradients[0].elements)),
            &mut || time_each(slice, || plain.run(&self.gradients[0].values)),
        ]);
        drop(plain);
        let ratios = kernel
            .iter()
            .zip(&moved)
            .map(|(kernel, moved)| kernel / moved);
        OptimizerReport {
            name,
            ratio: median(ratios.collect()),
            kernel: Speed::new(median(kernel), bytes),
            plain_loop: Speed::new(median(moved), bytes),
            concurrent: self.concurrent(&target, written, slice),
        }
    }

    /// Throughput of 1, 2, … appliers and of as many plain loops, which say what the memory has
    /// left for more than one. In each round one after the other.
    fn concurrent(&self, target: &Target, written: usize, slice: Duration) -> Vec<Concurrent> {
        let plain = |_: &GradientPair| PlainLoop::new(&self.parameters, written);
        let mut loops: Vec<PlainLoop> = self.gradients.iter().map(plain).collect();
        let counts = 1..=self.gradients.len();
        let mut round = |count: usize| {
            let gradients = &self.gradients[..count];
            let steps = gradients
                .iter()
                .map(|gradient| || target.step(&gradient.elements));
            let steps = throughput(steps.collect(), slice);
            let moves = loops.iter_mut().zip(gradients);
            let moves = moves.map(|(plain, gradient)| || plain.run(&gradient.values));
            Rates {
                steps,
                moves: throughput(moves.collect(), slice),
            }
        };
        let rounds: Vec<Vec<Rates>> = (0..ROUNDS)
            .map(|_| counts.clone().map(&mut round).collect())
            .collect();
        let over_rounds =
            |of: &dyn Fn(&[Rates]) -> f64| median(rounds.iter().map(|round| of(round)).collect());
        counts
            .map(|appliers| Concurrent {
                appliers,
                steps_per_second: over_rounds(&|round| round[appliers - 1].steps),
                speedup: over_rounds(&|round| round[appliers - 1].steps / round[0].steps),
                plain_loop_speedup: over_rounds(&|round| {
                    round[appliers - 1].moves / round[0].moves
                }),
            })
            .collect()
    }
}

/// How often a second some appliers, and as many plain loops, have gone through the parameters.
struct Rates {
    steps: f64,
    moves: f64,
}

/// Parameters that gradients are applied to, as a learner would.
struct Target {
    parameters: StripedParameters,
    number: AtomicU64,
}

impl Target {
    fn new(rule: Rule, parameters: &[f32]) -> Self {
        Self {
            parameters: StripedParameters::new(rule, parameters, &[], stripes()),
            number: AtomicU64::new(0),
        }
    }

    fn step(&self, gradient: &Elements) {
        let step = Step {
            scale: 1.0,
            rate: 1e-6,
            number: self.number.fetch_add(1, Ordering::Relaxed) + 1,
            compensation: None,
        };
        self.parameters.apply(gradient, &step);
    }
}

/// As many as a learner has by default.
fn stripes() -> usize {
    LearnerSettings::default().stripes
}

/// How often a second all of `works` together are done, each by a thread that repeats it.
fn throughput<W: FnMut() + Send>(works: Vec<W>, slice: Duration) -> f64 {
    let together = &Barrier::new(works.len());
    let rate = |work: W| {
        move || {
            together.wait();
            time_each(slice, work).recip()
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = works
            .into_iter()
            .map(|work| scope.spawn(rate(work)))
            .collect();
        // A thread that panicked has said so on standard error; it has no throughput.
        threads
            .into_iter()
            .map(|one| one.join().unwrap_or(0.0))
            .sum()
    })
}

/// Measures the two in turns; gives what each has measured, round by round.
fn alternate(mut both: [&mut dyn FnMut() -> f64; 2]) -> [Vec<f64>; 2] {
    // The first time, memory is touched and caches are filled.
    both.iter_mut().for_each(|one| _ = one());
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (one, times) in both.iter_mut().zip(&mut found) {
            times.push(one());
        }
    }
    found
}

/// Repeats `work` for `slice`, at least once; gives the seconds that each took.
fn time_each(slice: Duration, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut count = 0_u32;
    loop {
        work();
        count += 1;
        let elapsed = start.elapsed();
        if elapsed >= slice {
            return elapsed.as_secs_f64() / f64::from(count);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
