use clap::Args;
use serde::Serialize;
use troop_common::experiment::{ConfigError, Experiment, resolve};

use crate::numbers::{above_0, positive};

/// Beside what is asked for: nothing ends the run or writes to the disk meanwhile.
const SETTINGS: [&str; 4] = [
    "experiment.total_env_steps=1000000000000000",
    "experiment.stop_when_solved=false",
    "checkpoint.interval_s=86400",
    "telemetry.log=warn",
];

/// Measure a training, and what its workers' time goes to.
///
/// `troop train` runs in a process of its own. Beside it stand what the environments alone would allow, and what the
/// arithmetic of the network would at the speed that the kernels reach on this machine.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct TrainArgs {
    /// A preset's name, or a file (with a slash or ending in .toml).
    #[arg(value_name = "PRESET|FILE")]
    experiment: String,
    /// Worker threads; 0 takes one a core [actor.workers].
    #[arg(long)]
    workers: Option<usize>,
    /// Set a key of the experiment; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Seconds that it is measured for, once it computes gradients.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = above_0)]
    pub(super) seconds: f64,
    /// Rounds, each a training of its own; medians are shown.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = positive)]
    pub(super) repeat: usize,
    /// Print one JSON object.
    #[arg(long)]
    #[serde(skip)]
    pub(super) json: bool,
}

impl TrainArgs {
    /// What is trained.
    ///
    /// # Errors
    /// If there is no such experiment.
    pub(super) fn experiment(&self) -> Result<Experiment, ConfigError> {
        Ok(resolve(&self.experiment, &self.settings())?.experiment)
    }

    /// What `troop` is told.
    pub(super) fn command_line(&self) -> Vec<String> {
        let settings = self.settings().into_iter();
        ["train".to_owned(), self.experiment.clone()]
            .into_iter()
            .chain(["--http".into(), "127.0.0.1:0".into()])
            .chain(settings.flat_map(|setting| ["--set".into(), setting]))
            .collect()
    }

    fn settings(&self) -> Vec<String> {
        let workers = self
            .workers
            .map(|workers| format!("actor.workers={workers}"));
        let fixed = SETTINGS.map(str::to_owned).into_iter();
        fixed
            .chain(workers)
            .chain(self.set.iter().cloned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_last_and_wins() {
        let args = TrainArgs {
            experiment: "cartpole".into(),
            workers: Some(3),
            set: vec!["actor.workers=5".into()],
            seconds: 1.0,
            repeat: 1,
            json: false,
        };
        let experiment = args.experiment().unwrap();
        assert_eq!(experiment.actor.workers, 5);
        assert_eq!(experiment.experiment.total_env_steps, 1_000_000_000_000_000);
        let line = args.command_line().join(" ");
        assert!(
            line.starts_with("train cartpole --http 127.0.0.1:0 --set "),
            "{line}"
        );
        assert!(
            line.ends_with("--set actor.workers=3 --set actor.workers=5"),
            "{line}"
        );
    }
}
