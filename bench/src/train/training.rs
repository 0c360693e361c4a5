use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::args::TrainArgs;
use crate::exposition::Exposition;
use crate::interruption::Interruption;
use crate::program::Program;

/// A replay may have to be filled before the first gradient.
const FIRST_GRADIENT_LIMIT: Duration = Duration::from_secs(600);
/// Between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Until caches, branch predictors and the clock of the cores have settled.
const SETTLE: Duration = Duration::from_millis(500);

/// What a training came to in the measured time.
#[derive(Debug, Serialize)]
pub(super) struct Training {
    pub(super) env_steps_per_second: f64,
    gradients_per_second: f64,
    updates_per_second: f64,
    workers: f64,
    /// Cores that learner and workers kept busy, hosts of environments not among them.
    cpu_cores: f64,
    peak_memory_bytes: u64,
}

/// What its metrics rose by in the measured time.
pub(super) struct Window {
    before: Exposition,
    after: Exposition,
    /// How long it was.
    pub(super) seconds: f64,
}

impl Window {
    /// How much a counter, or a histogram's sum, rose by.
    pub(super) fn rise(&self, metric: &str) -> f64 {
        self.after.total(metric) - self.before.total(metric)
    }

    /// Workers that were at work.
    pub(super) fn workers(&self) -> f64 {
        self.after.total("troop_actor_workers")
    }
}

impl Training {
    /// Trains for some time.
    ///
    /// # Errors
    /// If the training fails or computes no gradient, or the bench is interrupted.
    pub(super) fn measure(
        args: &TrainArgs,
        interruption: &Interruption,
    ) -> anyhow::Result<(Self, Window)> {
        let (program, http) = start(args)?;
        wait_for_gradients(&program, http, interruption)?;
        interruption.sleep(SETTLE)?;
        let (before, started) = (program.metrics(http)?, Instant::now());
        let cpu_before = program.cpu_seconds()?;
        interruption.sleep(Duration::from_secs_f64(args.seconds))?;
        let (after, seconds) = (program.metrics(http)?, started.elapsed().as_secs_f64());
        let cpu_seconds = program.cpu_seconds()? - cpu_before;
        let window = Window {
            before,
            after,
            seconds,
        };
        let rate = |metric| window.rise(metric) / seconds;
        let training = Self {
            env_steps_per_second: rate("troop_learner_env_steps_total"),
            gradients_per_second: rate("troop_actor_gradient_seconds_count"),
            updates_per_second: rate("troop_learner_version"),
            workers: window.workers(),
            cpu_cores: cpu_seconds / seconds,
            peak_memory_bytes: program.peak_memory_bytes()?,
        };
        Ok((training, window))
    }
}

fn start(args: &TrainArgs) -> anyhow::Result<(Program, SocketAddr)> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut line: Vec<OsString> = args.command_line().into_iter().map(Into::into).collect();
    line.extend(["--run-dir".into(), directory.path().join("run").into()]);
    let mut program = Program::start("training", line, directory)?;
    let http = program.http_after("page")?;
    Ok((program, http))
}

fn wait_for_gradients(
    program: &Program,
    http: SocketAddr,
    interruption: &Interruption,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + FIRST_GRADIENT_LIMIT;
    while program
        .metrics(http)?
        .total("troop_actor_gradient_seconds_count")
        == 0.0
    {
        anyhow::ensure!(
            Instant::now() < deadline,
            "no gradient was computed in {} s",
            FIRST_GRADIENT_LIMIT.as_secs()
        );
        interruption.sleep(LOOK_AGAIN)?;
    }
    Ok(())
}
