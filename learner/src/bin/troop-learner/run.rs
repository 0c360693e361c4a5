use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use tokio::task::{JoinError, block_in_place};
use troop_common::experiment::{Experiment, resolve};
use troop_common::process::{AddressFile, INTERRUPTED, NOT_LEARNT, Signals, Wish};
use troop_learner::learning::Learning;
use troop_learner::metrics::Metrics;
use troop_learner::run_directory::{RunDirectory, RunDirectoryError};
use troop_learner::run_keeper::{RunKeeper, TICK};
use troop_learner::summary::Summary;
use troop_learner::{ParameterServer, Phase, last_scrape};

use crate::args::Args;
use crate::cuts::{Closing, Cuts};
use crate::linger::linger;
use crate::listeners::start;
use crate::services::Services;

/// Why the learner ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    RunOver,
    /// The run is over, and has learnt nothing or little.
    NotLearnt,
    Interrupt,
    Terminate,
}

impl From<Wish> for End {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Interrupt => Self::Interrupt,
            Wish::Terminate => Self::Terminate,
        }
    }
}

impl End {
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            // An orchestrator that sends SIGTERM takes anything else for a failure.
            Self::RunOver | Self::Terminate => ExitCode::SUCCESS,
            Self::NotLearnt => ExitCode::from(NOT_LEARNT),
            Self::Interrupt => ExitCode::from(INTERRUPTED),
        }
    }
}

/// Runs the learner until its run is over or a signal ends it.
///
/// # Errors
/// If it cannot start, or what came of the run cannot be written.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    let metrics = Metrics::new()?;
    let address_file = args.address_file.as_deref().map(AddressFile::at);
    let address_file = address_file
        .transpose()
        .context("cannot use --address-file")?;
    // Listeners come first: if one fails no run directory is left behind.
    let (server, listeners, directory) = if let Some(path) = args.resumed() {
        // Logs come before checkpoints: some of these may be passed over.
        let listeners = start(&experiment_there(path, args)?).await?;
        let resumed = RunDirectory::open_for_resume(path, &args.overrides())?;
        let (experiment, epoch) = (resumed.experiment, resumed.epoch);
        let server = ParameterServer::in_life(experiment, metrics, epoch, resumed.checkpoint)?;
        (server, listeners, resumed.directory)
    } else {
        let source = args.experiment.as_deref().unwrap_or_default();
        let experiment = resolve(source, &args.overrides())?.experiment;
        let listeners = start(&experiment).await?;
        let directory = match &args.run_dir {
            Some(path) => RunDirectory::create(path, &experiment)?,
            None => RunDirectory::create_default(&experiment, SystemTime::now())?,
        };
        (
            ParameterServer::new(experiment, metrics),
            listeners,
            directory,
        )
    };
    let server = Arc::new(server);
    // Asked before anybody can join. A service that starts it again is told once what became of it.
    let was_over = matches!(&*server.phase().borrow(), Phase::Finished(_));
    let keeper = RunKeeper::new(Arc::clone(&server), directory)?;
    let services = Services::spawn(&server, &keeper, listeners)?;
    services.announce(&server, keeper.directory(), &args.bookmarks);
    if let Some(file) = &address_file {
        services.write(file)?;
    }
    keep(&server, was_over, services, keeper, signals).await
}

/// What the run at `path` goes on with. If an experiment was asked for as well, it must be that one.
fn experiment_there(path: &Path, args: &Args) -> anyhow::Result<Experiment> {
    let there = RunDirectory::experiment(path, &args.overrides())?;
    if let Some(source) = &args.experiment {
        let expected = resolve(source, &args.overrides())?
            .experiment
            .experiment
            .name;
        let found = &there.experiment.name;
        if expected != *found {
            let (path, found) = (path.into(), found.clone());
            anyhow::bail!(RunDirectoryError::Other {
                path,
                expected,
                found,
            });
        }
    }
    Ok(there)
}

/// Looks after the run until its end, and leaves a checkpoint and a summary.
async fn keep(
    server: &Arc<ParameterServer>,
    was_over: bool,
    mut services: Services,
    mut keeper: RunKeeper,
    mut signals: Signals,
) -> anyhow::Result<ExitCode> {
    let over = until_over(server, &mut services, &mut keeper, &mut signals).await;
    let Some(over) = over else {
        tracing::warn!("another signal: the run ends without its last checkpoint");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let mut end = over.end;
    let summary = block_in_place(|| keeper.close()).context("cannot write the run's end")?;
    log(&summary, &server.phase().borrow());
    if end == End::RunOver && !was_over && summary.learning() != Learning::Enough {
        end = End::NotLearnt;
    }
    if let Some(served) = over.served {
        served.context("the gRPC service panicked")??;
    }
    if let Some(shard) = server.lost_shard() {
        anyhow::bail!(
            "shard {shard} is gone, and its parameters with it; start the run again with --resume"
        );
    }
    anyhow::ensure!(
        over.has_last_cut,
        "the last checkpoint of all shards could not be made"
    );
    if matches!(end, End::RunOver | End::NotLearnt) {
        let told = async { tokio::join!(linger(server, was_over), last_scrape(server)) };
        tokio::select! {
            _ = told => {}
            _ = signals.next() => {}
        }
    }
    services.close().await?;
    Ok(end.exit_code())
}

/// How this life of the run has ended.
struct Over {
    /// How its service has ended, if it has.
    served: Option<Result<Result<(), tonic::transport::Error>, JoinError>>,
    end: End,
    /// The last checkpoint of several shards was made.
    has_last_cut: bool,
}

/// Looks after the run until its sessions have left: by themselves once the run is over, or the learner drains. None if
/// another signal comes meanwhile.
async fn until_over(
    server: &Arc<ParameterServer>,
    services: &mut Services,
    keeper: &mut RunKeeper,
    signals: &mut Signals,
) -> Option<Over> {
    let (mut phase, mut done) = (server.phase(), server.done());
    let mut cuts = Cuts::new(Arc::clone(server));
    let mut ticks = tokio::time::interval(TICK);
    let (mut end, mut has_last_cut) = (None, true);
    loop {
        tokio::select! {
            served = &mut services.grpc => {
                let (served, end) = (Some(served), end.unwrap_or(End::RunOver));
                return Some(Over { served, end, has_last_cut });
            }
            () = services.lingering.sessions_left() => {
                // If all of them leave at once that is seen here before the end of the run.
                let (served, end) = (None, end.unwrap_or(End::RunOver));
                return Some(Over { served, end, has_last_cut });
            }
            _ = ticks.tick() => {
                block_in_place(|| keeper.tick());
                if keeper.takes_cut() {
                    cuts.begin();
                }
            }
            cut = cuts.made() => {
                has_last_cut = cut.is_ok();
                block_in_place(|| keeper.keep_cut(cut));
                cuts.go_on(has_last_cut);
            }
            Ok(reason) = done.wait_for(Option::is_some), if !cuts.is_closing() => {
                cuts.close(Closing::Finish(reason.clone().unwrap_or_default()));
            }
            result = phase.wait_for(|phase| *phase != Phase::Running), if end.is_none() => {
                drop(result);
                end = Some(End::RunOver);
            }
            wish = signals.next() => {
                if end.is_some_and(|end| end != End::RunOver) {
                    return None;
                }
                tracing::info!(?wish, "draining; another signal, a second later or more, ends at once");
                services.lingering.hurry();
                end.get_or_insert(wish.into());
                cuts.close(Closing::Drain("the learner was told to stop".into()));
            }
        }
    }
}

fn log(summary: &Summary, phase: &Phase) {
    let reason = match phase {
        Phase::Running => "the service ended",
        Phase::Draining(reason) | Phase::Finished(reason) => reason,
    };
    tracing::info!(
        reason,
        env_steps = summary.env_steps,
        updates = summary.updates,
        episodes = summary.episodes,
        return_mean_100 = summary.return_mean_100,
        seconds_to_solve = summary.seconds_to_solve,
        env_steps_per_second = summary.env_steps_per_second,
        gradients = %summary.gradients,
        "learner ends"
    );
    if let Some(complaint) = summary.learning().complaint() {
        tracing::error!(gradients = %summary.gradients, "{complaint}");
    }
}
