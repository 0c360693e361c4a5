//! `troop bench plan`: what a cluster needs, by arithmetic and by simulation.

mod args;
mod closed_form;
mod demand;
mod outcome;
mod report;
mod server;
mod simulation;
mod sizing;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use args::PlanArgs;

use troop_common::shard_ranges::MOST_SHARDS;

use crate::ingest;
use crate::interruption::Interruption;
use demand::{Demand, Learner};
use report::{Plan, Simulated};
use simulation::Cluster;
use sizing::Sizing;

/// CPU seconds for each GB of gradients if they are not measured: what docs/benchmarks.md has for large networks.
const CPU_SECONDS_PER_GIGABYTE: f64 = 0.3;

/// The most that it is measured with: more parameters take the same time for each byte, and a lot of memory.
const MOST_MEASURED: usize = 10_000_000;

/// A third of applying and half of computing are as long as they like, the rest is constant: a guess.
const APPLY_SPREAD: f64 = 1.0 / 3.0;
const COMPUTE_SPREAD: f64 = 0.5;

/// Gradients of each worker that are simulated, and slices of all of them at most: some seconds.
const GRADIENTS_EACH: usize = 20;
const LEAST_GRADIENTS: usize = 20_000;
const MOST_SLICES: usize = 10_000_000;

/// # Errors
/// If there is no such experiment, a learner cannot be measured, or no run can be spread so far.
pub(super) fn run(args: &PlanArgs) -> anyhow::Result<()> {
    let demand = args.demand()?;
    let learner = learner(args, &demand)?;
    let sizing = Sizing::new(&demand, &learner);
    let shards = args.shards.unwrap_or(sizing.learners);
    let simulate = || Simulated::new(cluster(args, &demand, &learner, shards));
    let plan = Plan {
        settings: args,
        arithmetic: sizing.arithmetic(&demand, &learner),
        demand,
        learner,
        sizing,
        simulated: (shards <= MOST_SHARDS).then(simulate),
    };
    plan.print(args.json)?;
    anyhow::ensure!(
        shards <= MOST_SHARDS,
        "{shards} learners are needed, and a run has {MOST_SHARDS} at most; fewer bytes help: bf16 (--encoding), fewer \
         publishes (--publishes-per-second), more env steps for a gradient"
    );
    Ok(())
}

/// As it is given, or as it is here.
fn learner(args: &PlanArgs, demand: &Demand) -> anyhow::Result<Learner> {
    let given = args.learner_gigabytes_per_second;
    let (speed, cpu) = match given {
        Some(speed) => (speed, CPU_SECONDS_PER_GIGABYTE),
        None => {
            let interruption = Interruption::catch()?;
            let parameters = demand.parameters.min(MOST_MEASURED);
            ingest::measure_shortly(parameters, demand.encoding, &interruption)?
        }
    };
    Ok(Learner {
        gigabytes_per_second: speed,
        cpu_seconds_per_gigabyte: args.cpu_seconds_per_gigabyte.unwrap_or(cpu),
        weights_cpu_seconds_per_gigabyte: args.weights_cpu_seconds_per_gigabyte,
        network_gigabits: args.network_gigabits,
        busy_share: args.busy_share,
    })
}

/// What is simulated of it.
fn cluster(args: &PlanArgs, demand: &Demand, learner: &Learner, shards: usize) -> Cluster {
    let slice = demand.vector_bytes() / 1e9 / shards as f64;
    let carrying = slice * 8.0 / learner.network_gigabits;
    let rate = demand.gradients_per_second_each;
    let gradients = (GRADIENTS_EACH * demand.workers).max(LEAST_GRADIENTS);
    Cluster {
        workers: demand.workers,
        shards,
        in_flight: args.in_flight,
        compute_seconds: rate.recip(),
        receive_seconds: carrying,
        apply_seconds: slice / learner.gigabytes_per_second,
        // Who only follows weights is served with the workers.
        send_seconds: carrying * demand.subscribers as f64 / demand.workers as f64,
        weights_period_seconds: match demand.publishes_per_second < rate {
            true => demand.publishes_per_second.recip(),
            false => 0.0,
        },
        compute_spread: COMPUTE_SPREAD,
        apply_spread: APPLY_SPREAD,
        gradients: gradients.min(MOST_SLICES / shards).max(4 * demand.workers),
        seed: args.seed,
    }
}
