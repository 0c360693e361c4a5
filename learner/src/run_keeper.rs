//! Checkpoints while a run goes on, and what is left when it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event_log::EventLog;
use crate::parameter_server::ParameterServer;
use crate::run_directory::{RunDirectory, RunDirectoryError};
use crate::summary::Summary;

/// How often [`RunKeeper::tick`] should be called.
pub const TICK: Duration = Duration::from_millis(250);

/// Time between two lines of the event log.
const EVENT_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps a run's directory up to date. It blocks while it writes.
pub struct RunKeeper {
    server: Arc<ParameterServer>,
    directory: RunDirectory,
    clock: CheckpointClock,
    events: EventLog,
    next_event: Duration,
    started: Instant,
}

impl RunKeeper {
    /// Keeps `server`'s run in `directory`.
    ///
    /// # Errors
    /// Where the event log cannot be opened.
    pub fn new(
        server: Arc<ParameterServer>,
        directory: RunDirectory,
    ) -> Result<Self, RunDirectoryError> {
        let interval = Duration::from_secs(server.experiment().checkpoint.interval_s);
        let clock = CheckpointClock::new(interval, server.version());
        Ok(Self {
            server,
            events: directory.event_log()?,
            directory,
            clock,
            next_event: EVENT_INTERVAL,
            started: Instant::now(),
        })
    }

    /// Where the run is kept.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Writes an event and a checkpoint where they are due. What cannot be written is logged and
    /// tried again after another interval; the run goes on.
    pub fn tick(&mut self) {
        let now = self.started.elapsed();
        if now >= self.next_event {
            self.next_event = now + EVENT_INTERVAL;
            self.write_event();
        }
        if self.clock.due(self.server.version(), now)
            && let Err(error) = self.write_checkpoint()
        {
            tracing::error!(%error, "cannot write a checkpoint; the run goes on");
        }
    }

    /// Writes the last checkpoint and `summary.json`; called once no gradient is applied any more.
    ///
    /// # Errors
    /// Where one of them cannot be written; the other one is tried all the same.
    pub fn close(mut self) -> Result<Summary, RunDirectoryError> {
        self.write_event();
        let checkpoint = self.write_checkpoint();
        let summary = Summary::of(&self.server);
        self.directory.write_summary(&summary)?;
        checkpoint.map(|()| summary)
    }

    fn write_event(&mut self) {
        if let Err(error) = self.events.write(&self.server.progress()) {
            tracing::error!(%error, "cannot write to the event log; the run goes on");
        }
    }

    fn write_checkpoint(&self) -> Result<(), RunDirectoryError> {
        // There is nothing to keep before the first worker has opened its session.
        let Some(checkpoint) = self.server.checkpoint() else {
            return Ok(());
        };
        let started = Instant::now();
        let keep = self.server.experiment().checkpoint.keep;
        let path = checkpoint.write(&self.directory.checkpoints(), keep)?;
        self.server.metrics().checkpoints.inc();
        let (version, seconds) = (checkpoint.state.version, started.elapsed().as_secs_f64());
        tracing::info!(version, path = %path.display(), seconds, "checkpoint written");
        Ok(())
    }
}

/// Says when a checkpoint is due.
#[derive(Debug)]
struct CheckpointClock {
    interval: Duration,
    last_version: u64,
    last_at: Duration,
}

impl CheckpointClock {
    fn new(interval: Duration, version: u64) -> Self {
        Self {
            interval,
            last_version: version,
            last_at: Duration::ZERO,
        }
    }

    /// Whether one is due at `version` and `now`; then the clock starts again. Where no update was
    /// applied since the last one there is nothing to write.
    fn due(&mut self, version: u64, now: Duration) -> bool {
        let due = version > self.last_version && now >= self.last_at + self.interval;
        if due {
            self.last_version = version;
            self.last_at = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::gradient::{Gradient, Origin};
    use crate::metrics::Metrics;
    use troop_common::experiment::Experiment;
    use troop_common::layout::{Initializer, Layout, TensorSpec};
    use troop_common::proto::v1::Report;

    #[test]
    fn a_checkpoint_is_due_after_the_interval_and_only_with_something_new() {
        let mut clock = CheckpointClock::new(Duration::from_secs(60), 5);
        let seconds = Duration::from_secs;
        assert!(!clock.due(6, seconds(59)));
        assert!(clock.due(6, seconds(60)));
        assert!(!clock.due(6, seconds(500)));
        assert!(clock.due(7, seconds(500)));
        assert!(!clock.due(8, seconds(559)));
        assert!(clock.due(8, seconds(560)));
    }

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
        let mut values = server.buffer(session).await;
        values.fill(1.0);
        let origin = Origin {
            sequence: 1,
            epoch: 1,
            version: 0,
        };
        let gradient = Gradient::new(origin, values);
        let report = Report {
            env_steps: 10,
            ..Report::default()
        };
        server.push(session, gradient, &report).await;
        keeper.tick();
        let path = keeper.directory().path().to_path_buf();
        let summary = keeper.close().unwrap();
        assert_eq!((summary.updates, summary.env_steps), (1, 10));

        let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
        let checkpoint: Checkpoint = resumed.checkpoint.unwrap();
        assert_eq!((resumed.epoch, checkpoint.state.version), (2, 1));
        assert_eq!(checkpoint.state.counters.env_steps, 10);
    }
}
