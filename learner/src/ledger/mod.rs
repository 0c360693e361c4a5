//! The ledger of a run: sessions, reports, counters, schedules, what happened, the end. It knows no
//! parameters.

pub(crate) mod admission;
mod attachments;
mod attendance;
mod audience;
mod carried;
pub(crate) mod counters;
mod evaluation;
mod evaluation_check;
mod goal;
mod gradient_counts;
mod hearing;
pub(crate) mod journal;
pub mod learning;
mod life;
mod life_start;
pub(crate) mod observations;
pub(crate) mod plausibility;
pub(crate) mod progress;
mod progress_point;
mod progress_view;
mod rate_window;
pub(crate) mod recorder;
mod replays;
mod reports;
mod role_counts;
mod run_event;
pub(crate) mod schedule;
pub(crate) mod session;
mod sharding;
mod shards;
mod shown;
mod since_point;
pub(crate) mod staleness;
mod told;
mod unix_seconds;
mod update;
mod verdicts;

pub(crate) use carried::Carried;
pub use evaluation::Evaluation;
pub use gradient_counts::GradientCounts;
pub(crate) use life_start::LifeStart;
pub use progress_point::ProgressPoint;
pub use progress_view::ProgressView;
pub(crate) use role_counts::RoleCounts;
pub use run_event::{Level, RunEvent};
pub(crate) use unix_seconds::unix_seconds;
pub(crate) use update::Update;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use troop_common::experiment::{Experiment, RunSettings};
use troop_common::proto::v1;

use crate::answers::Phase;
use crate::life_clock::LifeClock;
use crate::lock::lock;
use crate::metrics::{Metrics, of_count};
use admission::Admission;
use audience::Audience;
use journal::Occurrence;
use life::Life;
use observations::ObservationMoments;
use plausibility::Plausibility;
use recorder::Recorder;
use replays::Replays;
use schedule::LearningRate;
use session::Sessions;
use shards::Shards;
use staleness::StalenessBucket;

/// Everything of a run that is not a parameter. Every call may come from any thread.
pub(crate) struct Ledger {
    run: RunSettings,
    max_sessions: usize,
    /// Frames of an env step.
    frame_skip: u32,
    clock: LifeClock,
    life: Life,
    rate: LearningRate,
    admission: Admission,
    plausibility: Plausibility,
    sessions: Mutex<Sessions>,
    /// Who is still to hear how the run ended.
    audience: watch::Sender<Audience>,
    /// Whoever was lost longer ago has given up.
    patience: Duration,
    /// Open sessions by role.
    present: watch::Sender<RoleCounts>,
    replays: Mutex<Replays>,
    /// Where the replays are, or were last; none before each has been there once.
    places: watch::Sender<Option<v1::Replays>>,
    shards: Mutex<Shards>,
    /// Why the run is over, once it is but for its last checkpoint.
    done: watch::Sender<Option<String>>,
    /// Whether it says when the run is over; that of a shard beside the lead is told.
    leads: bool,
    recorder: Recorder,
    observations: ObservationMoments,
}

impl Ledger {
    /// That of a life of the run that executes `experiment`.
    pub(crate) fn new(
        experiment: &Experiment,
        metrics: Metrics,
        epoch: u64,
        clock: LifeClock,
        carried: Carried,
    ) -> Self {
        let run = experiment.experiment.clone();
        metrics.epoch.set(of_count(epoch));
        metrics
            .run_env_steps_target
            .set(of_count(run.total_env_steps));
        let normalizes = experiment.environment.normalizes();
        let ledger = Self {
            max_sessions: experiment.learner.max_sessions,
            frame_skip: experiment.environment.frame_skip(),
            clock,
            life: Life::new(epoch),
            rate: LearningRate::new(&experiment.optimizer, run.total_env_steps),
            admission: Admission { epoch },
            plausibility: Plausibility::new(experiment),
            sessions: Mutex::default(),
            audience: watch::Sender::default(),
            patience: Duration::from_secs(experiment.actor.give_up_after_s),
            present: watch::Sender::default(),
            replays: Mutex::new(Replays::new(experiment.topology.replays_of_run())),
            places: watch::Sender::default(),
            shards: Mutex::new(Shards::new(experiment.learner.shards)),
            done: watch::Sender::default(),
            leads: true,
            recorder: Recorder::new(carried.counters, &run, metrics, unix_seconds()),
            observations: ObservationMoments::new(normalizes, carried.observations),
            run,
        };
        ledger.note(ledger.life.announcement(&ledger.run));
        ledger
    }

    /// This life of the run.
    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    /// The learner's metrics.
    pub(crate) fn metrics(&self) -> &Metrics {
        self.recorder.metrics()
    }

    /// Time since this life began.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The clock that tells it.
    pub(crate) fn clock(&self) -> LifeClock {
        self.clock
    }

    /// Where this life of the run begins; asked before anything is counted.
    pub(crate) fn life_start(&self) -> LifeStart {
        LifeStart {
            epoch: self.life.epoch(),
            env_steps: self.recorder.steps().0,
            unix_seconds: self.recorder.unix_seconds(Duration::ZERO),
        }
    }

    /// Env steps and frames counted so far in the run.
    pub(crate) fn steps(&self) -> (u64, u64) {
        self.recorder.steps()
    }

    /// The learning rate once so many env steps have been counted.
    pub(crate) fn rate_at(&self, env_steps: u64) -> f64 {
        self.rate.at(env_steps)
    }

    /// Notes for the event log what has happened; false if there has been enough of its kind.
    pub(crate) fn note(&self, occurrence: Occurrence) -> bool {
        self.recorder.note(occurrence, self.now())
    }

    /// What has happened since the last call, for the event log.
    pub(crate) fn take_events(&self) -> VecDeque<RunEvent> {
        self.recorder.take_events()
    }

    /// What the run has done so far.
    pub(crate) fn progress(&self) -> ProgressView {
        self.recorder.view(self.now())
    }

    /// The gradients applied in this life by their staleness.
    pub(crate) fn staleness_histogram(&self) -> Vec<StalenessBucket> {
        self.recorder.staleness_histogram()
    }

    /// The history's next point: it holds what happened since the one before.
    pub(crate) fn progress_point(&self) -> ProgressPoint {
        let point = self.recorder.point(self.now());
        ProgressPoint {
            learning_rate: Some(self.rate.at(point.env_steps)),
            sessions: Some(lock(&self.sessions).len() as u64),
            ..point
        }
    }

    /// Ends the run if it has come to its end; one of several shards once it has its last checkpoint.
    pub(crate) fn finish_if_done(&self) {
        if !self.leads {
            return;
        }
        match self.recorder.end(&self.run) {
            Some(reason) if self.is_sharded() => self.be_done(reason),
            Some(reason) => self.finish(reason),
            None => {}
        }
    }

    /// Ends a run that was over before.
    pub(crate) fn finish_if_over(&self) {
        if let Some(reason) = self.recorder.end(&self.run) {
            self.finish(reason);
        }
    }

    /// Ends the run: no gradient is admitted any more, workers are told to stop.
    pub(crate) fn finish(&self, reason: String) {
        let finished = Occurrence::info("run finished").with("reason", reason.as_str());
        if self.life.finish(reason) {
            self.note(finished);
        }
    }

    /// Lets this life end while the run may go on in another: workers are told to come back later.
    pub(crate) fn drain(&self, reason: String) {
        let draining = Occurrence::info("draining").with("reason", reason.as_str());
        if self.life.drain(reason) {
            self.note(draining);
        }
    }

    /// Brings the metrics that nothing else moves up to date.
    pub(crate) fn refresh_metrics(&self) {
        let metrics = self.metrics();
        metrics.run_env_steps.set(of_count(self.steps().0));
        let phase = self.life.phase().borrow().name();
        for name in Phase::NAMES {
            let is = i64::from(name == phase);
            metrics.phase.with_label_values(&[name]).set(is);
        }
    }
}
