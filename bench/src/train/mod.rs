//! `troop bench train`: env steps/s of a training, and where the time goes.

mod args;
mod limits;
mod shares;
mod training;

pub(crate) use args::TrainArgs;

use serde::Serialize;

use crate::interruption::Interruption;
use crate::network::network;
use crate::rounds;
use limits::Limits;
use shares::Shares;
use training::Training;

/// # Errors
/// If there is no such experiment, its training fails, or the bench is interrupted.
pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let experiment = args.experiment()?;
    let network = network(&experiment)?.arithmetic();
    rounds::report(args, args.repeat, args.json, |interruption| {
        Round::measure(args, network, interruption)
    })
}

#[derive(Debug, Serialize)]
struct Round {
    training: Training,
    shares_of_workers_time: Shares,
    limits: Limits,
    ratios: Ratios,
}

/// What is compared.
#[derive(Debug, Serialize)]
struct Ratios {
    env_steps_to_environments_alone: f64,
    env_steps_to_arithmetic_alone: f64,
}

impl Round {
    fn measure(
        args: &TrainArgs,
        network: troop_actor::nn::Arithmetic,
        interruption: &Interruption,
    ) -> anyhow::Result<Self> {
        let (training, window) = Training::measure(args, interruption)?;
        let limits = Limits::measure(network, &window)?;
        let rate = training.env_steps_per_second;
        Ok(Self {
            shares_of_workers_time: Shares::of(&window),
            ratios: Ratios {
                env_steps_to_environments_alone: rate
                    / limits.environments_alone_env_steps_per_second,
                env_steps_to_arithmetic_alone: rate / limits.arithmetic_alone_env_steps_per_second,
            },
            training,
            limits,
        })
    }
}
