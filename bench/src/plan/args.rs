use clap::Args;
use serde::Serialize;
use troop_common::experiment::{Experiment, WireEncoding, resolve};

use super::demand::Demand;
use crate::ingest::Encoding;
use crate::network::network;
use crate::numbers::{above_0, positive};

/// Say how many learners, cores and how much network a cluster needs, and simulate it.
///
/// Each line shows its arithmetic. What a learner takes is measured here for some seconds, unless it is given. The
/// simulation queues the gradients of all workers at all learners in virtual time.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct PlanArgs {
    /// A preset's name, or a file (with a slash or ending in .toml), for parameters, encodings and env steps of a gradient.
    #[arg(value_name = "PRESET|FILE", required_unless_present = "params")]
    experiment: Option<String>,
    /// Parameters, in place of those of an experiment.
    #[arg(long, value_name = "N", conflicts_with = "experiment", value_parser = positive)]
    params: Option<usize>,
    /// Workers.
    #[arg(long, value_name = "W", value_parser = positive)]
    workers: usize,
    /// Workers whose gradients are summed before they are sent [actor.relay_workers].
    #[arg(long, value_name = "K", value_parser = positive, default_value_t = 1)]
    relay_workers: usize,
    /// Gradients/s of each worker.
    #[arg(long, value_name = "R", value_parser = above_0, required_unless_present = "env_steps_per_second")]
    rate: Option<f64>,
    /// Env steps/s of each worker, in place of its gradients.
    #[arg(long, value_name = "E", value_parser = above_0, conflicts_with = "rate")]
    env_steps_per_second: Option<f64>,
    /// Env steps of a gradient, if no experiment says so.
    #[arg(long, value_name = "T", value_parser = positive, requires = "env_steps_per_second")]
    t_max: Option<usize>,
    /// How gradients and weights travel; by default as the experiment says, or f32.
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// Publishes/s that each subscriber gets; by default one for each gradient of a worker.
    #[arg(long, value_name = "P", value_parser = above_0)]
    publishes_per_second: Option<f64>,
    /// Who gets them; by default the workers.
    #[arg(long, value_name = "N", value_parser = positive)]
    subscribers: Option<usize>,
    /// What a learner takes and applies if nothing else holds it up (`gigabytes_per_second` of `troop bench ingest`, with the
    /// same encoding); by default measured here.
    #[arg(long, value_name = "G", value_parser = above_0)]
    pub(super) learner_gigabytes_per_second: Option<f64>,
    /// CPU seconds of a learner for each GB of gradients; by default measured here, or 0.3 if the GB/s are given.
    #[arg(long, value_name = "C", value_parser = above_0)]
    pub(super) cpu_seconds_per_gigabyte: Option<f64>,
    /// CPU seconds of a learner for each GB of weights (`learner_cpu_seconds_per_gigabyte` of `troop bench publish`).
    #[arg(long, value_name = "C", value_parser = above_0, default_value_t = 0.3)]
    pub(super) weights_cpu_seconds_per_gigabyte: f64,
    /// A learner's network card, Gbit/s in each direction.
    #[arg(long, value_name = "B", value_parser = above_0, default_value_t = 10.0)]
    pub(super) network_gigabits: f64,
    /// Which share of the time a part may be busy: what is busier than that makes others wait.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = 0.7)]
    pub(super) busy_share: f64,
    /// Simulate so many learners in place of those that are needed.
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(super) shards: Option<usize>,
    /// Gradients of a worker that may be unanswered [wire.gradients_in_flight].
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 2)]
    pub(super) in_flight: usize,
    /// Where the simulation's random numbers come from.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    #[serde(skip)]
    pub(super) json: bool,
}

/// A share of the time.
fn share(text: &str) -> Result<f64, String> {
    let share = above_0(text).ok().filter(|share| *share <= 1.0);
    share.ok_or_else(|| "expected a number above 0, at most 1".into())
}

impl PlanArgs {
    /// What workers ask for.
    ///
    /// # Errors
    /// If there is no such experiment, its network cannot be made, or nothing says how many env steps a gradient takes.
    pub(super) fn demand(&self) -> anyhow::Result<Demand> {
        let experiment = self.experiment.as_deref();
        let experiment = experiment.map(|source| resolve(source, &[])).transpose()?;
        let experiment = experiment.map(|resolved| resolved.experiment);
        let parameters = match (&experiment, self.params) {
            (Some(experiment), _) => network(experiment)?.layout().len(),
            (None, params) => params.unwrap_or_default(),
        };
        let rate = self.gradients_per_second(experiment.as_ref())?;
        // As many as the workers' gradients/s divided by those that are summed.
        let sessions = self.workers.div_ceil(self.relay_workers);
        Ok(Demand {
            parameters,
            encoding: self.encoding(experiment.as_ref()),
            workers: sessions,
            gradients_per_second_each: rate,
            subscribers: self.subscribers.unwrap_or(sessions),
            publishes_per_second: self.publishes_per_second.unwrap_or(rate),
        })
    }

    /// Of each worker.
    fn gradients_per_second(&self, experiment: Option<&Experiment>) -> anyhow::Result<f64> {
        let Some(env_steps) = self.env_steps_per_second else {
            return Ok(self.rate.unwrap_or_default());
        };
        let of_experiment = experiment.map(|experiment| {
            let environments = experiment.environment.envs_per_worker as u64;
            experiment.method.env_steps_per_gradient(environments)
        });
        let given = self.t_max.map(|steps| steps as f64);
        let each = given.or(of_experiment);
        let each = each.ok_or_else(|| {
            anyhow::anyhow!("expected --t-max, the env steps of a gradient, with --params and --env-steps-per-second")
        })?;
        Ok(env_steps / each)
    }

    fn encoding(&self, experiment: Option<&Experiment>) -> Encoding {
        let wire = experiment.map(|experiment| experiment.wire.gradients);
        self.encoding.unwrap_or(match wire {
            Some(WireEncoding::Bf16) => Encoding::Bf16,
            Some(WireEncoding::F32) | None => Encoding::F32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PlanArgs,
    }

    fn parse(line: &str) -> Result<PlanArgs, String> {
        let words = ["plan"].into_iter().chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map(|line| line.args);
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn workers_whose_gradients_are_summed_ask_for_what_one_does() {
        let demand = |line: &str| parse(line).unwrap().demand().unwrap();
        let alone = demand("--params 10 --workers 3 --rate 2");
        let summed = demand("--params 10 --workers 9 --rate 2 --relay-workers 3");
        assert_eq!(summed, alone);
    }

    #[test]
    fn an_experiment_says_its_parameters_and_env_steps_of_a_gradient() {
        let args = parse("cartpole --workers 10 --env-steps-per-second 2560").unwrap();
        let demand = args.demand().unwrap();
        assert_eq!(demand.parameters, 4_675, "docs/benchmarks.md");
        assert_eq!(demand.gradients_per_second_each, 10.0, "of 256 env steps");
        assert_eq!((demand.encoding, demand.subscribers), (Encoding::F32, 10));
        assert_eq!(demand.publishes_per_second, 10.0);
        let own = parse("cartpole --workers 10 --env-steps-per-second 2560 --t-max 128").unwrap();
        assert_eq!(own.demand().unwrap().gradients_per_second_each, 20.0);
    }

    #[test]
    fn numbers_do_without_an_experiment() {
        let line = "--params 1000 --workers 5 --rate 2 --encoding bf16 --publishes-per-second 1 --subscribers 7";
        let demand = parse(line).unwrap().demand().unwrap();
        let expected = Demand {
            parameters: 1_000,
            encoding: Encoding::Bf16,
            workers: 5,
            gradients_per_second_each: 2.0,
            subscribers: 7,
            publishes_per_second: 1.0,
        };
        assert_eq!(demand, expected);
    }

    #[test]
    fn what_is_missing_or_twice_is_refused() {
        for line in [
            "--workers 5 --rate 1",
            "--params 10 --workers 5",
            "--params 10 --rate 1",
            "cartpole --params 10 --workers 5 --rate 1",
            "--params 10 --workers 5 --rate 1 --env-steps-per-second 1",
            "--params 10 --workers 5 --rate 1 --busy-share 1.1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let args = parse("--params 10 --workers 5 --env-steps-per-second 1").unwrap();
        let refused = args.demand().unwrap_err().to_string();
        assert!(refused.contains("--t-max"), "{refused}");
    }
}
