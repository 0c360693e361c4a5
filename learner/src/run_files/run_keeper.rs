//! Checkpoints while a run goes on, and what is left when it ends.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::checkpoint_clock::CheckpointClock;
use super::checkpoint_health::CheckpointHealth;
use super::checkpoints::Checkpoints;
use super::event_log::EventLog;
use super::experiment_file::ExperimentFile;
use super::history::{Line, SharedHistory};
use super::point_clock::PointClock;
use super::run_directory::{RunDirectory, RunDirectoryError};
use super::summary::Summary;
use super::tensorboard::TensorBoardFile;
use crate::cut::CutFailed;
use crate::ledger::journal::Occurrence;
use crate::ledger::learning::Learning;
use crate::ledger::unix_seconds;
use crate::lock::lock;
use crate::metrics::of_count;
use crate::parameter_server::{Checkpoint, ParameterServer};

/// How often [`RunKeeper::tick`] should be called.
pub const TICK: Duration = Duration::from_millis(250);

/// Keeps a run's directory up to date. It blocks while it writes.
pub struct RunKeeper {
    server: Arc<ParameterServer>,
    directory: RunDirectory,
    clock: CheckpointClock,
    /// Of several shards.
    cut_is_due: bool,
    checkpoint_health: CheckpointHealth,
    experiment: ExperimentFile,
    log: EventLog,
    history: SharedHistory,
    tensorboard: Option<TensorBoardFile>,
    points: PointClock,
    /// Env steps, updates and evaluations at the last point of this life.
    last_point: Option<(u64, u64, u64)>,
    /// Why the run ends without being over.
    failure: Option<String>,
    started: Instant,
}

impl RunKeeper {
    /// Keeps `server`'s run in `directory`.
    ///
    /// # Errors
    /// If the event log or TensorBoard's file cannot be read or opened.
    pub fn new(
        server: Arc<ParameterServer>,
        directory: RunDirectory,
    ) -> Result<Self, RunDirectoryError> {
        directory.begin_life(server.epoch())?;
        let interval = Duration::from_secs(server.experiment().checkpoint.interval_s);
        let metrics = server.metrics();
        metrics.run.set(&directory.name(), server.experiment());
        metrics.checkpoint_interval.set(interval.as_secs_f64());
        metrics.last_checkpoint.set(unix_seconds());
        let clock = CheckpointClock::new(interval, server.version());
        let run = &server.experiment().experiment;
        let points = PointClock::new(run.total_env_steps, server.ledger().steps().0);
        let history = RunDirectory::history(directory.path())?.into_history();
        let tensorboard = server.experiment().telemetry.tensorboard;
        let start = server.ledger().life_start();
        let experiment = ExperimentFile::look(&directory, &server)?;
        let mut keeper = Self {
            checkpoint_health: CheckpointHealth::default(),
            experiment,
            server,
            log: directory.event_log()?,
            tensorboard: tensorboard
                .then(|| directory.tensorboard_file(start))
                .transpose()?,
            history: Arc::new(Mutex::new(history)),
            directory,
            clock,
            cut_is_due: false,
            points,
            last_point: None,
            failure: None,
            started: Instant::now(),
        };
        keeper.look_at_the_disk();
        keeper.write_events();
        Ok(keeper)
    }

    /// Where the run is kept.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// The parameter server whose run it is.
    pub(crate) fn server(&self) -> &Arc<ParameterServer> {
        &self.server
    }

    /// How its checkpoints are.
    pub(crate) fn checkpoint_health(&self) -> CheckpointHealth {
        self.checkpoint_health.clone()
    }

    /// The run's history, earlier lives included. It grows while the run is kept.
    pub fn history(&self) -> SharedHistory {
        Arc::clone(&self.history)
    }

    /// Writes what happened, and a point of the history and a checkpoint if they are due. What cannot be written is logged and
    /// tried again after another interval; the run goes on.
    pub fn tick(&mut self) {
        let now = self.started.elapsed();
        self.write_events();
        if self.points.due(self.server.ledger().steps().0, now) {
            self.write_point();
            self.look_at_the_disk();
        }
        if let Err(error) = self.experiment.keep_up(&self.directory, &self.server) {
            tracing::error!(%error, "cannot write the experiment; the run goes on");
        }
        if self.clock.due(self.server.version(), now) {
            match self.server.shards() {
                1 => self.keep_cut(Ok(self.server.checkpoint())),
                _ => self.cut_is_due = true,
            }
        }
    }

    /// Whether a run of several shards is to make a checkpoint of all of them now, for [`keep_cut`](Self::keep_cut); asked
    /// once for each.
    pub fn takes_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut_is_due)
    }

    /// Writes a checkpoint of all shards, or notes why there is none.
    pub fn keep_cut(&mut self, cut: Result<Option<Checkpoint>, CutFailed>) {
        if let Err(error) = self.write_checkpoint(cut) {
            tracing::error!(%error, "cannot write a checkpoint; the run goes on");
        }
    }

    /// Notes why the run is about to end without being over.
    pub fn fail(&mut self, reason: &str) {
        let failed = Occurrence::error("run failed");
        self.server.ledger().note(failed.with("reason", reason));
        self.failure = Some(reason.into());
    }

    /// Writes the last checkpoint and `summary.json`; called once no gradient is applied any more.
    ///
    /// # Errors
    /// If one of them cannot be written; the other one is tried all the same.
    pub fn close(mut self) -> Result<Summary, RunDirectoryError> {
        if self.last_point != Some(self.counted()) {
            self.write_point();
        }
        let experiment = self.experiment.keep_up(&self.directory, &self.server);
        // That of several shards has been made before they were let go.
        let last = self.server.checkpoint();
        let checkpoint = experiment.and_then(|()| self.write_checkpoint(Ok(last)));
        let summary = Summary {
            failure: self.failure.take(),
            ..Summary::of(&self.server)
        };
        self.note_learning(&summary);
        self.write_events();
        self.directory.write_summary(&summary)?;
        checkpoint.map(|()| summary)
    }

    /// Env steps, updates and evaluations.
    fn counted(&self) -> (u64, u64, u64) {
        let counters = self.server.progress().counters;
        (counters.env_steps, counters.updates, counters.evaluations)
    }

    /// A run that has not learnt says so in its history.
    fn note_learning(&self, summary: &Summary) {
        if summary.learning() != Learning::Enough {
            let noted = Occurrence::error("run over, but little learnt");
            self.server
                .ledger()
                .note(noted.with("gradients", summary.gradients.to_string()));
        }
    }

    fn write_point(&mut self) {
        self.last_point = Some(self.counted());
        let point = self.server.ledger().progress_point();
        if let Some(file) = &mut self.tensorboard
            && let Err(error) = file.write_point(&point)
        {
            tracing::error!(%error, "cannot write for TensorBoard; the run goes on");
        }
        self.write_line(Line::Progress(Box::new(point)));
    }

    fn write_events(&mut self) {
        for event in self.server.ledger().take_events() {
            self.write_line(Line::Event(event));
        }
    }

    fn write_line(&mut self, line: Line) {
        if let Err(error) = self.log.write(&line) {
            tracing::error!(%error, "cannot write to the event log; the run goes on");
        }
        lock(&self.history).push(line);
    }

    /// Writes a checkpoint, and notes what came of it.
    fn write_checkpoint(
        &mut self,
        cut: Result<Option<Checkpoint>, CutFailed>,
    ) -> Result<(), RunDirectoryError> {
        let written = match cut {
            Ok(Some(checkpoint)) => self.try_write_checkpoint(&checkpoint),
            // There is nothing to keep before the first worker has opened its session.
            Ok(None) => return Ok(()),
            Err(error) => Err(error.into()),
        };
        let failure = written.as_ref().err().map(ToString::to_string);
        let metrics = self.server.metrics();
        metrics.checkpoint_failing.set(i64::from(failure.is_some()));
        if let Some(error) = &failure {
            metrics.checkpoint_failures.inc();
            let failed = Occurrence::error("checkpoint not written");
            self.server
                .ledger()
                .note(failed.with("error", error.as_str()));
        }
        self.checkpoint_health.set(failure);
        written
    }

    fn try_write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RunDirectoryError> {
        let started = Instant::now();
        let keep = self.server.experiment().checkpoint.keep;
        let path = Checkpoints::new(self.directory.checkpoints()).write(checkpoint, keep)?;
        self.clock.written(checkpoint.state.version);
        self.server.metrics().checkpoints.inc();
        self.server.metrics().last_checkpoint.set(unix_seconds());
        let (version, seconds) = (checkpoint.state.version, started.elapsed().as_secs_f64());
        tracing::info!(version, path = %path.display(), seconds, "checkpoint written");
        let written = Occurrence::info("checkpoint written").with("version", version);
        self.server.ledger().note(written.with("seconds", seconds));
        Ok(())
    }

    fn look_at_the_disk(&self) {
        match self.directory.disk() {
            Ok(disk) => {
                let metrics = self.server.metrics();
                metrics.disk_available.set(of_count(disk.available_bytes));
                metrics.disk_size.set(of_count(disk.size_bytes));
            }
            Err(error) => tracing::warn!(%error, "cannot tell how full the disk is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::run_files::history::History;
    use crate::shard::gradient::{Gradient, Origin};
    use troop_common::experiment::Experiment;
    use troop_common::finite::Finite;
    use troop_common::layout::{Initializer, Layout, TensorSpec};
    use troop_common::proto::v1::Report;

    fn directory(parent: &tempfile::TempDir) -> RunDirectory {
        RunDirectory::create(&parent.path().join("run"), &Experiment::default()).unwrap()
    }

    fn server() -> Arc<ParameterServer> {
        let metrics = Metrics::new().unwrap();
        Arc::new(ParameterServer::new(Experiment::default(), metrics))
    }

    #[test]
    fn a_run_that_nobody_joined_leaves_a_summary_and_no_checkpoint() {
        let parent = tempfile::tempdir().unwrap();
        let summary = RunKeeper::new(server(), directory(&parent))
            .unwrap()
            .close()
            .unwrap();
        assert_eq!(summary.updates, 0);
        assert!(parent.path().join("run/summary.json").is_file());
        assert!(!parent.path().join("run/checkpoints").exists());
    }

    /// That of a run of one session and one update.
    fn check_history(history: &History) {
        let point = history.points().last().unwrap();
        assert_eq!((point.env_steps, point.updates), (10, 1));
        assert_eq!(point.gradient_norm_mean, Finite::new(3_f64.sqrt()));
        assert_eq!(point.sessions, Some(0));
        let rate = Experiment::default().optimizer.learning_rate;
        let found = point.learning_rate.unwrap();
        assert!((0.99..1.0).contains(&(found / rate)), "{found}");
        let messages: Vec<&str> = history
            .events_after(0)
            .map(|(_, event)| event.message.as_str())
            .collect();
        let expected = [
            "run started",
            "session joined",
            "session left",
            "checkpoint written",
        ];
        assert_eq!(messages, expected);
    }

    #[tokio::test]
    async fn what_a_run_leaves_is_enough_to_go_on() {
        let parent = tempfile::tempdir().unwrap();
        let server = server();
        let mut keeper = RunKeeper::new(Arc::clone(&server), directory(&parent)).unwrap();
        let session = server.join("w".into(), "p".into()).unwrap().session;
        let spec = TensorSpec {
            name: "w".into(),
            shape: vec![3],
            initializer: Initializer::Zeros,
        };
        server
            .open(session, Layout::new(vec![spec]).unwrap())
            .unwrap();
        let room = server.room().await;
        let origin = Origin {
            sequence: 1,
            epoch: 1,
            version: 0,
        };
        let gradient = Gradient::new(origin, vec![1.0; 3].into(), room);
        let report = Report {
            env_steps: 10,
            ..Report::default()
        };
        server.push(session, gradient, &report).await;
        keeper.tick();
        let path = keeper.directory().path().to_path_buf();
        server.leave(session);
        let history = keeper.history();
        let summary = keeper.close().unwrap();
        assert_eq!((summary.updates, summary.env_steps), (1, 10));
        check_history(&lock(&history));
        check_history(RunDirectory::history(&path).unwrap().history());

        let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
        let checkpoint: Checkpoint = resumed.checkpoint.unwrap();
        assert_eq!((resumed.epoch, checkpoint.state.version), (2, 1));
        assert_eq!(checkpoint.state.counters.env_steps, 10);
    }
}
