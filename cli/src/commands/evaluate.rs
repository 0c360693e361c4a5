//! `troop evaluate`: episodes with a checkpoint's parameters.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use troop_actor::evaluation::{Acted, Learned, Plan, Stopped, evaluate};
use troop_actor::score::Score;
use troop_common::process::say;
use troop_common::report_limits::STEPS_PER_EPISODE;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::checkpoints::Checkpoints;
use troop_learner::run_directory::{CHECKPOINTS, EXPERIMENT, RunDirectory};

use crate::terminal::EpisodesBar;
use crate::usage::UsageError;

/// Act episodes with a run's newest checkpoint, or with a given one.
#[derive(Args)]
pub(crate) struct EvaluateArgs {
    /// A run directory, or one of its checkpoints.
    #[arg(value_name = "RUN|CHECKPOINT")]
    path: PathBuf,
    /// Whole episodes to act.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Env steps after which it ends, whatever has been acted; without, 30 000 for each episode.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_env_steps: Option<u64>,
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

/// What came of the episodes; returns are undiscounted sums of raw rewards, none where none ended.
#[derive(Serialize)]
struct Evaluation {
    checkpoint: PathBuf,
    version: u64,
    trained_env_steps: u64,
    episodes: usize,
    return_mean: Option<f64>,
    return_std: Option<f64>,
    return_min: Option<f64>,
    return_max: Option<f64>,
    length_mean: Option<f64>,
    env_steps: u64,
    environment_restarts: u64,
    /// Why there are fewer episodes than were asked for.
    stopped: Option<String>,
    /// What there is of episodes that had not ended then.
    unfinished_episodes: usize,
    unfinished_return_mean: Option<f64>,
}

/// # Errors
/// If there is no checkpoint, it is damaged, its environment cannot be made or cannot go on, or no
/// episode ended.
pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let run = run_of(&args.path)?;
    let experiment = RunDirectory::experiment(&run, &args.set)?;
    let mut bar = EpisodesBar::new(u64::from(args.episodes));
    troop_common::telemetry::init_logging_to(&experiment.telemetry, bar.log_writer())?;
    let (path, checkpoint) = find(&args.path)?;
    let learned = Learned {
        layout: &checkpoint.state.layout,
        parameters: &checkpoint.parameters,
        observations: checkpoint.observations.as_ref(),
    };
    let acted = evaluate(&experiment, learned, &args.plan(), &mut |progress| {
        bar.show(progress);
    })?;
    bar.finish();
    let evaluation = summarize(path, &checkpoint, &acted);
    if args.json {
        say(serde_json::to_string_pretty(&evaluation)?);
    } else {
        say(in_words(&evaluation));
    }
    complain(&acted, args.episodes)
}

impl EvaluateArgs {
    fn plan(&self) -> Plan {
        let enough = || STEPS_PER_EPISODE * u64::from(self.episodes);
        Plan {
            episodes: self.episodes as usize,
            max_env_steps: self.max_env_steps.unwrap_or_else(enough),
            greedy: self.greedy,
            seed: self.seed,
        }
    }
}

/// What there is has been shown; whether that is enough.
fn complain(acted: &Acted, episodes: u32) -> anyhow::Result<()> {
    let ended = acted.episodes.len();
    match &acted.stopped {
        None => Ok(()),
        Some(Stopped::StepLimit(_)) if ended > 0 => {
            warn_of_missing(acted, episodes);
            Ok(())
        }
        Some(Stopped::StepLimit(_)) => bail!(
            "no episode ended within {} env steps: raise --max-env-steps, or give the environment a \
             time limit (Gymnasium's max_episode_steps)",
            acted.env_steps
        ),
        Some(why @ (Stopped::Environment(_) | Stopped::BrokenOff)) => {
            bail!("the environment ended it after {ended} of {episodes} episodes: {why}")
        }
    }
}

fn warn_of_missing(acted: &Acted, episodes: u32) {
    let (env_steps, ended) = (acted.env_steps, acted.episodes.len());
    tracing::warn!(
        env_steps,
        ended,
        episodes,
        "the limit of env steps came before all episodes had ended: long ones are missing \
         (--max-env-steps)"
    );
}

fn in_words(evaluation: &Evaluation) -> String {
    let path = evaluation.checkpoint.display();
    let trained = evaluation.trained_env_steps;
    let returns = evaluation.return_mean.zip(evaluation.return_std);
    let extremes = evaluation.return_min.zip(evaluation.return_max);
    let (Some((mean, std)), Some((low, high))) = (returns, extremes) else {
        let so_far = evaluation.unfinished_return_mean.unwrap_or_default();
        return format!(
            "{path}: no episode ended in {} env steps; {} are unfinished, return {so_far:.1} so far; \
             trained {trained} env steps",
            evaluation.env_steps, evaluation.unfinished_episodes
        );
    };
    format!(
        "{path}: return {mean:.1} ± {std:.1} over {} episodes (lowest {low:.1}, highest {high:.1}), \
         {:.0} env steps each; trained {trained} env steps",
        evaluation.episodes,
        evaluation.length_mean.unwrap_or_default(),
    )
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

fn summarize(path: PathBuf, checkpoint: &Checkpoint, acted: &Acted) -> Evaluation {
    let returns = || acted.episodes.iter().map(|episode| episode.return_sum);
    let (score, unfinished) = (Score::of(&acted.episodes), Score::of(&acted.unfinished));
    Evaluation {
        checkpoint: path,
        version: checkpoint.state.version,
        trained_env_steps: checkpoint.state.counters.env_steps,
        episodes: acted.episodes.len(),
        return_mean: score.map(|score| score.return_mean),
        return_std: score.map(|score| score.return_std),
        return_min: returns().reduce(f64::min),
        return_max: returns().reduce(f64::max),
        length_mean: score.map(|score| score.length_mean),
        env_steps: acted.env_steps,
        environment_restarts: acted.restarts,
        stopped: acted.stopped.as_ref().map(ToString::to_string),
        unfinished_episodes: acted.unfinished.len(),
        unfinished_return_mean: unfinished.map(|score| score.return_mean),
    }
}
