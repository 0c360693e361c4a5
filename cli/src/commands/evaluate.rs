//! `troop evaluate`: episodes with a checkpoint's parameters.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use troop_actor::evaluation::{Learned, evaluate};
use troop_common::proto::v1::Episode;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::checkpoints::Checkpoints;
use troop_learner::run_directory::{CHECKPOINTS, EXPERIMENT, RunDirectory};

use crate::exit::UsageError;

/// Act episodes with a run's newest checkpoint, or with a given one.
#[derive(Args)]
pub(crate) struct EvaluateArgs {
    /// A run directory, or one of its checkpoints.
    #[arg(value_name = "RUN|CHECKPOINT")]
    path: PathBuf,
    /// Whole episodes to act.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Take the policy's likeliest action instead of drawing one.
    #[arg(long)]
    greedy: bool,
    /// Where every random number comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Set a key of the run's experiment, e.g. environment.python; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// What came of the episodes; returns are undiscounted sums of raw rewards.
#[derive(Serialize)]
struct Evaluation {
    checkpoint: PathBuf,
    version: u64,
    trained_env_steps: u64,
    episodes: usize,
    return_mean: f64,
    return_std: f64,
    return_min: f64,
    return_max: f64,
    length_mean: f64,
}

/// # Errors
/// Where there is no checkpoint, it is damaged, or its environment cannot be made.
pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let run = run_of(&args.path)?;
    let experiment = RunDirectory::experiment(&run, &args.set)?;
    troop_common::telemetry::init_logging(&experiment.telemetry)?;
    let (path, checkpoint) = find(&args.path)?;
    let learned = Learned {
        layout: &checkpoint.state.layout,
        parameters: &checkpoint.parameters,
        observations: checkpoint.observations.as_ref(),
    };
    let episodes = evaluate(
        &experiment,
        learned,
        args.episodes as usize,
        args.greedy,
        args.seed,
    )?;
    let evaluation = summarize(path, &checkpoint, &episodes);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&evaluation)?);
    } else {
        println!(
            "{}: return {:.1} ± {:.1} over {} episodes (lowest {:.1}, highest {:.1}), {:.0} env steps each; \
             trained {} env steps",
            evaluation.checkpoint.display(),
            evaluation.return_mean,
            evaluation.return_std,
            evaluation.episodes,
            evaluation.return_min,
            evaluation.return_max,
            evaluation.length_mean,
            evaluation.trained_env_steps,
        );
    }
    Ok(())
}

/// The run that `path` is, or whose checkpoint it is.
fn run_of(path: &Path) -> anyhow::Result<PathBuf> {
    if is_run(path) {
        return Ok(path.to_owned());
    }
    let absolute = path.canonicalize().ok().filter(|path| path.is_dir());
    let absolute = absolute.ok_or_else(|| {
        UsageError(format!(
            "{} is not a directory; expected a run or one of its checkpoints",
            path.display()
        ))
    })?;
    let run = absolute.ancestors().nth(2).filter(|run| is_run(run));
    let run = run.ok_or_else(|| {
        UsageError(format!(
            "no {EXPERIMENT} in {} or two levels above it; expected a run, or a checkpoint in its run directory",
            path.display()
        ))
    })?;
    Ok(run.to_owned())
}

fn is_run(path: &Path) -> bool {
    path.join(EXPERIMENT).exists()
}

/// The checkpoint at `path`, or the newest one of the run there.
fn find(path: &Path) -> anyhow::Result<(PathBuf, Checkpoint)> {
    if !is_run(path) {
        return Ok((path.to_owned(), Checkpoint::read(path)?));
    }
    let newest = Checkpoints::new(path.join(CHECKPOINTS)).newest()?;
    let none = || UsageError(format!("run {} has no checkpoint yet", path.display()));
    Ok(newest.ok_or_else(none)?)
}

fn summarize(path: PathBuf, checkpoint: &Checkpoint, episodes: &[Episode]) -> Evaluation {
    let n = episodes.len() as f64;
    let returns = || episodes.iter().map(|episode| episode.return_sum);
    let mean = returns().sum::<f64>() / n;
    Evaluation {
        checkpoint: path,
        version: checkpoint.state.version,
        trained_env_steps: checkpoint.state.counters.env_steps,
        episodes: episodes.len(),
        return_mean: mean,
        return_std: (returns().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt(),
        return_min: returns().fold(f64::INFINITY, f64::min),
        return_max: returns().fold(f64::NEG_INFINITY, f64::max),
        length_mean: episodes
            .iter()
            .map(|episode| episode.length as f64)
            .sum::<f64>()
            / n,
    }
}
