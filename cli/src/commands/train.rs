//! `troop train`: learner and workers in one process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use troop_actor::metrics::ActorMetrics;
use troop_actor::worker::{Worker, WorkerError, worker_seed};
use troop_common::experiment::{Experiment, resolve};
use troop_learner::metrics::Metrics;
use troop_learner::run_directory::RunDirectory;
use troop_learner::run_keeper::RunKeeper;
use troop_learner::summary::Summary;
use troop_learner::{ParameterServer, Phase};

use crate::exit::{INTERRUPTED, UsageError};
use crate::local_link::LocalLink;
use crate::progress_bar::RunProgress;
use crate::services::Services;

/// Time between two looks at the run: the bar, the checkpoint clock, Ctrl-C.
const TICK: Duration = Duration::from_millis(50);

/// Train an experiment with learner and workers in this process.
#[derive(Args)]
pub(crate) struct TrainArgs {
    /// A preset's name, or a file (with a slash or ending in .toml).
    experiment: String,
    /// Worker threads; 0 takes one a core [actor.workers].
    #[arg(long)]
    workers: Option<usize>,
    /// Env steps of the whole run [experiment.total_env_steps].
    #[arg(long)]
    steps: Option<u64>,
    /// Where every random number comes from [experiment.seed].
    #[arg(long)]
    seed: Option<u64>,
    /// Address of /metrics, /healthz and /api/status; port 0 takes a free one [learner.http].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Set a key of the experiment; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Where the run is kept; by default a new directory below runs/.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Go on from the newest checkpoint of --run-dir.
    #[arg(long, requires = "run_dir")]
    resume: bool,
}

impl TrainArgs {
    fn overrides(&self) -> Vec<String> {
        let flag = |key: &str, value: Option<String>| value.map(|value| format!("{key}={value}"));
        let flags = [
            flag("actor.workers", self.workers.map(|n| n.to_string())),
            flag(
                "experiment.total_env_steps",
                self.steps.map(|n| n.to_string()),
            ),
            flag("experiment.seed", self.seed.map(|n| n.to_string())),
            flag("learner.http", self.http.clone()),
        ];
        flags
            .into_iter()
            .flatten()
            .chain(self.set.iter().cloned())
            .collect()
    }
}

/// # Errors
/// Where the run cannot start, or what came of it cannot be written.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    let (server, run_directory) = prepare(args)?;
    if let Phase::Finished(reason) = &*server.phase().borrow() {
        println!("nothing left to train: {reason}; more with --steps");
        return Ok(ExitCode::SUCCESS);
    }
    let experiment = server.experiment().clone();
    let mut progress = RunProgress::new(experiment.experiment.total_env_steps);
    troop_common::telemetry::init_logging_to(&experiment.telemetry, progress.log_writer())?;
    let services = Services::start(&server)?;
    tracing::info!(
        run_dir = %run_directory.path().display(),
        http = %format!("http://{}", services.http()),
        seed = experiment.experiment.seed,
        "training {}", experiment.experiment.name
    );
    let mut keeper = RunKeeper::new(Arc::clone(&server), run_directory)?;
    let workers = start_workers(&server, &experiment)?;
    let interrupted = watch(&server, &workers, &mut keeper, &mut progress, &services);
    let failures = join(workers);
    let path = keeper.directory().path().to_owned();
    let summary = keeper.close().context("cannot write the run's end")?;
    progress.show(&server.progress());
    progress.finish();
    print(&summary, &path);
    Ok(match (interrupted, &*server.phase().borrow(), failures) {
        (true, ..) => ExitCode::from(INTERRUPTED),
        (_, Phase::Finished(_), _) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// A fresh run, or one that goes on from its newest checkpoint.
fn prepare(args: &TrainArgs) -> anyhow::Result<(Arc<ParameterServer>, RunDirectory)> {
    let metrics = Metrics::new()?;
    if let (true, Some(path)) = (args.resume, &args.run_dir) {
        let named = resolve(&args.experiment, &[])?.experiment;
        let resumed = RunDirectory::open_for_resume(path, &args.overrides())?;
        ensure_same(&named, &resumed.experiment)?;
        let server = ParameterServer::in_life(
            resumed.experiment,
            metrics,
            resumed.epoch,
            resumed.checkpoint,
        );
        return Ok((Arc::new(server), resumed.directory));
    }
    let experiment = resolve(&args.experiment, &args.overrides())?.experiment;
    let default = || RunDirectory::default_path(&experiment, SystemTime::now());
    let run_directory =
        RunDirectory::create(&args.run_dir.clone().unwrap_or_else(default), &experiment)?;
    Ok((
        Arc::new(ParameterServer::new(experiment, metrics)),
        run_directory,
    ))
}

/// `--resume` takes the experiment from the run directory; the one named must be the same.
fn ensure_same(named: &Experiment, resumed: &Experiment) -> Result<(), UsageError> {
    let (expected, found) = (&named.experiment.name, &resumed.experiment.name);
    if expected == found {
        return Ok(());
    }
    Err(UsageError(format!(
        "the run directory holds a run of `{found}`, not of `{expected}`"
    )))
}

fn start_workers(
    server: &Arc<ParameterServer>,
    experiment: &Experiment,
) -> anyhow::Result<Vec<JoinHandle<Result<(), WorkerError>>>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = if experiment.actor.workers == 0 {
        cores
    } else {
        experiment.actor.workers
    };
    let metrics = ActorMetrics::new()?;
    // All join before any starts, so that each one's number and seed do not depend on timing.
    let joined: Vec<_> = (0..count)
        .map(|index| server.join(format!("local/{index}"), "this process".into()))
        .collect::<Result<_, _>>()?;
    let start = |(index, joined): (usize, troop_learner::Joined)| {
        let link = Box::new(LocalLink::new(Arc::clone(server), joined));
        let seed = worker_seed(experiment.experiment.seed, joined.epoch, joined.session);
        let (experiment, metrics) = (experiment.clone(), metrics.clone());
        let work = move || Worker::new(&experiment, seed, link, metrics)?.run();
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        thread.spawn(work).context("cannot start a worker's thread")
    };
    joined.into_iter().enumerate().map(start).collect()
}

/// Looks after the run until its workers have ended; whether it was interrupted.
fn watch(
    server: &ParameterServer,
    workers: &[JoinHandle<Result<(), WorkerError>>],
    keeper: &mut RunKeeper,
    progress: &mut RunProgress,
    services: &Services,
) -> bool {
    let mut interrupted = false;
    while workers.iter().any(|worker| !worker.is_finished()) {
        std::thread::sleep(TICK);
        if services.interrupted() && !interrupted {
            interrupted = true;
            tracing::info!("interrupted: draining; a second Ctrl-C ends at once");
            server.drain("interrupted".into());
        }
        keeper.tick();
        progress.show(&server.progress());
    }
    interrupted
}

/// Waits for the workers' threads; how many failed.
fn join(workers: Vec<JoinHandle<Result<(), WorkerError>>>) -> usize {
    let failed = |worker: JoinHandle<Result<(), WorkerError>>| match worker.join() {
        Ok(Ok(())) => false,
        Ok(Err(error)) => {
            tracing::error!(%error, "worker failed");
            true
        }
        Err(_) => {
            tracing::error!("worker panicked");
            true
        }
    };
    workers
        .into_iter()
        .map(failed)
        .filter(|failed| *failed)
        .count()
}

fn print(summary: &Summary, path: &std::path::Path) {
    let mean = summary
        .return_mean_100
        .map_or_else(|| "–".into(), |mean| format!("{mean:.1}"));
    let solved = match summary.seconds_to_solve {
        Some(seconds) => format!(", solved after {seconds:.1} s"),
        None => String::new(),
    };
    println!(
        "{}: {} env steps in {:.1} s ({:.0}/s), mean return {mean}{solved}; {}",
        summary.experiment,
        summary.env_steps,
        summary.wall_seconds,
        summary.env_steps_per_second,
        path.join("summary.json").display()
    );
}
