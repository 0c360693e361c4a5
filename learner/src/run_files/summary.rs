//! `summary.json`: what came of a run.

use serde::{Deserialize, Serialize};

use crate::answers::Phase;
pub use crate::ledger::Evaluation;
pub use crate::ledger::GradientCounts;
use crate::ledger::learning::Learning;
pub use crate::ledger::staleness::{StalenessBucket, StalenessSummary};
use crate::parameter_server::ParameterServer;

/// What came of a run. Times are in seconds, staleness in updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The experiment's name.
    pub experiment: String,
    /// The experiment's seed.
    pub seed: u64,
    /// Version of the software.
    pub version: String,
    /// Whether the run is over, rather than interrupted.
    #[serde(default = "yes")]
    pub finished: bool,
    /// Why it ended without being over, if a fault ended it.
    #[serde(default)]
    pub failure: Option<String>,
    /// Actions taken by all workers together.
    pub env_steps: u64,
    /// Emulator ticks.
    pub frames: u64,
    /// Episodes that ended.
    pub episodes: u64,
    /// Time that the run took, earlier lives included.
    pub wall_seconds: f64,
    /// Env steps a second over the whole run.
    pub env_steps_per_second: f64,
    /// Updates of the parameters.
    pub updates: u64,
    /// Updates a second over the whole run.
    pub updates_per_second: f64,
    /// Mean raw return of the last 100 episodes.
    pub return_mean_100: Option<f64>,
    /// Best mean over 100 episodes.
    pub best_return_mean_100: Option<f64>,
    /// Evaluations apart from training.
    #[serde(default)]
    pub evaluations: u64,
    /// The newest of them: that of the weights that the run ended with, if it is over and there was time.
    #[serde(default)]
    pub last_evaluation: Option<Evaluation>,
    /// The one with the highest mean.
    #[serde(default)]
    pub best_evaluation: Option<Evaluation>,
    /// When the task was solved; absent if no threshold is set or it was not reached.
    pub seconds_to_solve: Option<f64>,
    /// Env steps until the task was solved.
    pub env_steps_to_solve: Option<u64>,
    /// Staleness of the gradients applied in the run's last life.
    pub staleness_updates: StalenessSummary,
    /// The same gradients by their staleness.
    #[serde(default)]
    pub staleness_histogram: Vec<StalenessBucket>,
    /// Gradients by what became of them.
    pub gradients: GradientCounts,
    /// Environment hosts that were restarted.
    pub environment_restarts: u64,
}

/// Earlier versions did not tell: most runs that left a summary were over.
fn yes() -> bool {
    true
}

impl Summary {
    /// How much of what came the run has learnt from, if it is over; one that was interrupted may
    /// go on.
    pub fn learning(&self) -> Learning {
        match self.finished {
            true => Learning::of(&self.gradients),
            false => Learning::Enough,
        }
    }

    /// What has come of `server`'s run so far.
    pub fn of(server: &ParameterServer) -> Self {
        let view = server.progress();
        let counters = view.counters;
        let run = &server.experiment().experiment;
        let per_second = |count: u64| count as f64 / counters.wall_seconds.max(1e-9);
        Self {
            experiment: run.name.clone(),
            seed: run.seed,
            version: env!("CARGO_PKG_VERSION").into(),
            finished: matches!(&*server.phase().borrow(), Phase::Finished(_)),
            failure: None,
            env_steps: counters.env_steps,
            frames: counters.frames,
            episodes: counters.episodes,
            wall_seconds: counters.wall_seconds,
            env_steps_per_second: per_second(counters.env_steps),
            updates: counters.updates,
            updates_per_second: per_second(counters.updates),
            return_mean_100: view.return_mean_100.map(f64::from),
            best_return_mean_100: counters.best_return_mean_100.map(f64::from),
            evaluations: counters.evaluations,
            last_evaluation: counters.last_evaluation,
            best_evaluation: counters.best_evaluation,
            seconds_to_solve: counters.seconds_to_solve,
            env_steps_to_solve: counters.env_steps_to_solve,
            staleness_updates: view.staleness_updates,
            staleness_histogram: server.ledger().staleness_histogram(),
            gradients: GradientCounts {
                applied: counters.gradients_applied,
                rejected: counters.rejected,
            },
            environment_restarts: counters.environment_restarts,
        }
    }
}
