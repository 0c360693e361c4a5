//! `troop train`: learner and workers in one process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use troop_common::experiment::{Experiment, LearnerSettings, StalenessPolicy, resolve};
use troop_common::process::{INTERRUPTED, NOT_LEARNT, say, worker_count};
use troop_learner::metrics::Metrics;
use troop_learner::run_directory::{Resumed, RunDirectory};
use troop_learner::run_keeper::RunKeeper;
use troop_learner::summary::Summary;
use troop_learner::{ParameterServer, Phase, http};

use crate::embedded::{OpenListener, Services, Workers};
use crate::terminal::RunProgress;
use crate::usage::UsageError;

/// Time between two looks at the run: the bar, the checkpoint clock, Ctrl-C.
const TICK: Duration = Duration::from_millis(50);

/// Train an experiment with learner and workers in this process.
#[derive(Args)]
pub(crate) struct TrainArgs {
    /// A preset's name, or a file (with a slash or ending in .toml).
    #[arg(value_name = "PRESET|FILE", required_unless_present = "resume")]
    experiment: Option<String>,
    /// Worker threads; 0 takes one a core [actor.workers].
    #[arg(long)]
    workers: Option<usize>,
    /// Env steps of the whole run [experiment.total_env_steps].
    #[arg(long)]
    steps: Option<u64>,
    /// Where every random number comes from [experiment.seed].
    #[arg(long)]
    seed: Option<u64>,
    /// Address of the live page, /metrics, /healthz and /api/status; port 0 takes a free one
    /// [learner.http].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// How log lines look [telemetry.log_format].
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
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
    /// What would be trained.
    ///
    /// # Errors
    /// If there is no such experiment.
    pub(super) fn experiment(&self) -> anyhow::Result<Box<Experiment>> {
        Ok(Start::new(self)?.experiment)
    }

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
            flag("telemetry.log_format", self.log_format.clone()),
        ];
        flags
            .into_iter()
            .flatten()
            .chain(self.set.iter().cloned())
            .collect()
    }
}

/// # Errors
/// If the run cannot start, or what came of it cannot be written.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    let start = Start::new(args)?;
    let experiment = start.experiment.clone();
    refuse_processes(&experiment)?;
    let mut progress = RunProgress::new(experiment.experiment.total_env_steps);
    troop_common::telemetry::init_logging_to(&experiment.telemetry, progress.log_writer())?;
    // Listened on first: where that fails no run directory is left behind.
    let listener = OpenListener::new(&experiment)?;
    let (server, directory) = start.begin()?;
    if let Phase::Finished(reason) = &*server.phase().borrow() {
        say(format_args!(
            "nothing left to train: {reason}; more with --steps"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut keeper = RunKeeper::new(Arc::clone(&server), directory)?;
    let mut services = listener.serve(&keeper, &server)?;
    tracing::info!(
        experiment = experiment.experiment.name,
        seed = experiment.experiment.seed,
        epoch = server.epoch(),
        http = %format!("http://{}", services.http()),
        run_dir = %keeper.directory().path().display(),
        "training"
    );
    say(format_args!("page  {}", http::page_url(services.http())));
    work(&server, &mut keeper, &mut progress, &services)?;
    let path = keeper.directory().path().to_owned();
    let summary = keeper.close().context("cannot write the run's end")?;
    print(&summary, &path);
    if let Phase::Finished(_) = &*server.phase().borrow() {
        services.wait_for_last_scrape(&server);
    }
    services.stop();
    Ok(match &*server.phase().borrow() {
        Phase::Finished(_) => over(&summary),
        Phase::Draining(_) => ExitCode::from(INTERRUPTED),
        Phase::Running => ExitCode::FAILURE,
    })
}

/// # Errors
/// If the parameters were to be spread over several processes, or gradients to be summed for a network.
fn refuse_processes(experiment: &Experiment) -> anyhow::Result<()> {
    let shards = experiment.learner.shards;
    anyhow::ensure!(
        shards == 1,
        "learner.shards is {shards}, and shards are processes, while `troop train` is one: start `troop-learner \
         --experiment`, `troop-learner --shard K --lead URL` for each K from 1 to {}, and `troop-actor`, or set \
         learner.shards to 1",
        shards - 1
    );
    let relay = experiment.actor.relay_workers;
    anyhow::ensure!(
        relay == 1,
        "actor.relay_workers is {relay}, and spares a network, which `troop train` has none of: start `troop-learner` and \
         `troop-actor`, or set actor.relay_workers to 1"
    );
    Ok(())
}

/// Lets the workers train until they end.
fn work(
    server: &Arc<ParameterServer>,
    keeper: &mut RunKeeper,
    progress: &mut RunProgress,
    services: &Services,
) -> anyhow::Result<()> {
    let run = keeper.directory().name();
    let workers = Workers::start(server, &run, services.runtime())?;
    watch(server, &workers, keeper, progress, services);
    let failure = workers.join();
    // One of several may have failed in a run that is over all the same.
    if let (Some(reason), Phase::Running) = (failure, &*server.phase().borrow()) {
        keeper.fail(&reason);
    }
    progress.show(&server.progress());
    progress.finish();
    Ok(())
}

/// How a run begins; nothing has been written yet.
struct Start {
    experiment: Box<Experiment>,
    directory: Directory,
}

/// Where a run is kept.
enum Directory {
    Default,
    Fresh(PathBuf),
    /// An earlier run goes on, with changes to its experiment.
    Resumed(PathBuf, Vec<String>),
}

impl Start {
    fn new(args: &TrainArgs) -> anyhow::Result<Self> {
        let overrides = args.overrides();
        if let (true, Some(path)) = (args.resume, &args.run_dir) {
            let experiment = Box::new(RunDirectory::experiment(path, &overrides)?);
            if let Some(named) = &args.experiment {
                ensure_same(&resolve(named, &[])?.experiment, &experiment)?;
            }
            return Ok(Self {
                experiment,
                directory: Directory::Resumed(path.clone(), overrides),
            });
        }
        let source = args.experiment.as_deref();
        let source = source.ok_or_else(|| UsageError("no experiment given".into()))?;
        let directory = args.run_dir.clone();
        let mut experiment = Box::new(resolve(source, &overrides)?.experiment);
        wait_for_all_workers(&mut experiment);
        Ok(Self {
            experiment,
            directory: directory.map_or(Directory::Default, Directory::Fresh),
        })
    }

    fn begin(self) -> anyhow::Result<(Arc<ParameterServer>, RunDirectory)> {
        let metrics = Metrics::new()?;
        let directory = match self.directory {
            Directory::Default => RunDirectory::create_default(&self.experiment, SystemTime::now()),
            Directory::Fresh(path) => RunDirectory::create(&path, &self.experiment),
            Directory::Resumed(path, overrides) => {
                let resumed = RunDirectory::open_for_resume(&path, &overrides)?;
                let Resumed {
                    directory,
                    experiment,
                    epoch,
                    checkpoint,
                } = resumed;
                let server = ParameterServer::in_life(experiment, metrics, epoch, checkpoint)?;
                return Ok((Arc::new(server), directory));
            }
        };
        let server = ParameterServer::new(*self.experiment, metrics);
        Ok((Arc::new(server), directory?))
    }
}

/// The first synchronous round waits for all workers of this process that train, unless the experiment says
/// for how many: which of them comes first would decide what is learned.
fn wait_for_all_workers(experiment: &mut Experiment) {
    let workers = match experiment.topology.is_split() {
        true => experiment.topology.trainers,
        false => worker_count(experiment.actor.workers),
    };
    let learner = &mut experiment.learner;
    let unset = LearnerSettings::default().synchronous_workers;
    if learner.staleness == StalenessPolicy::Synchronous && learner.synchronous_workers == unset {
        learner.synchronous_workers = workers;
    }
}

/// `--resume` takes the experiment from the run directory; if one is named it must be the same.
fn ensure_same(named: &Experiment, resumed: &Experiment) -> Result<(), UsageError> {
    let (expected, found) = (&named.experiment.name, &resumed.experiment.name);
    if expected == found {
        return Ok(());
    }
    Err(UsageError(format!(
        "the run directory holds a run of `{found}`, not of `{expected}`"
    )))
}

/// Looks after the run until its workers have ended.
fn watch(
    server: &ParameterServer,
    workers: &Workers,
    keeper: &mut RunKeeper,
    progress: &mut RunProgress,
    services: &Services,
) {
    while workers.are_running() {
        std::thread::sleep(TICK);
        if services.interrupted() {
            workers.give_up_evaluating();
        }
        if services.interrupted() && *server.phase().borrow() == Phase::Running {
            tracing::info!(
                "interrupted: draining; another Ctrl-C, a second later or more, ends at once"
            );
            server.drain("interrupted".into());
        }
        keeper.tick();
        progress.show(&server.progress());
    }
}

/// The exit code of a run that is over; says why it is no success if it is none.
fn over(summary: &Summary) -> ExitCode {
    let Some(complaint) = summary.learning().complaint() else {
        return ExitCode::SUCCESS;
    };
    tracing::error!(gradients = %summary.gradients, "{complaint}");
    ExitCode::from(NOT_LEARNT)
}

fn print(summary: &Summary, path: &std::path::Path) {
    let mean = summary
        .return_mean_100
        .map_or_else(|| "–".into(), |mean| format!("{mean:.1}"));
    let evaluated = match &summary.last_evaluation {
        Some(last) => format!(
            ", evaluated {:.1} ± {:.1}",
            last.return_mean.get(),
            last.return_std.get()
        ),
        None => String::new(),
    };
    let solved = match summary.seconds_to_solve {
        Some(seconds) => format!(", solved after {seconds:.1} s"),
        None => String::new(),
    };
    let refused = match summary.gradients.refused() {
        0 => String::new(),
        _ => format!(", {}", summary.gradients),
    };
    say(format_args!(
        "{}: {} env steps in {:.1} s ({:.0}/s), mean return {mean}{evaluated}{solved}{refused}; {}",
        summary.experiment,
        summary.env_steps,
        summary.wall_seconds,
        summary.env_steps_per_second,
        path.join("summary.json").display()
    ));
}
