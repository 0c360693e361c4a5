//! Writes down what happens in a run: for its files, for people, for Prometheus.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use troop_common::experiment::RunSettings;
use troop_common::proto::v1;

use super::counters::Counters;
use super::evaluation::Evaluation;
use super::goal::Goal;
use super::journal::{Journal, Moment, Occurrence};
use super::plausibility::ReportPart;
use super::progress::Progress;
use super::progress_point::ProgressPoint;
use super::progress_view::ProgressView;
use super::run_event::RunEvent;
use super::shown;
use super::staleness::StalenessBucket;
use super::update::Update;
use crate::answers::Verdict;
use crate::lock::lock;
use crate::metrics::Metrics;

/// The counters of a run and the metrics of this life, kept in step. Times are since this life
/// began.
pub(crate) struct Recorder {
    progress: Mutex<Progress>,
    journal: Mutex<Journal>,
    metrics: Metrics,
    /// When this life began, in seconds since 1970.
    started_unix_seconds: f64,
}

impl Recorder {
    pub(crate) fn new(
        counters: Counters,
        run: &RunSettings,
        metrics: Metrics,
        started_unix_seconds: f64,
    ) -> Self {
        shown::show_from_the_start(&metrics);
        if let Some(evaluation) = &counters.last_evaluation {
            shown::show_evaluation(&metrics, evaluation);
        }
        Self {
            progress: Mutex::new(Progress::new(counters, Goal::of(run))),
            journal: Mutex::default(),
            metrics,
            started_unix_seconds,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Env steps and frames counted so far.
    pub(crate) fn steps(&self) -> (u64, u64) {
        let progress = lock(&self.progress);
        (progress.counters().env_steps, progress.counters().frames)
    }

    /// Updates counted so far.
    pub(crate) fn updates(&self) -> u64 {
        lock(&self.progress).counters().updates
    }

    pub(crate) fn staleness_histogram(&self) -> Vec<StalenessBucket> {
        lock(&self.progress).staleness_histogram()
    }

    pub(crate) fn view(&self, now: Duration) -> ProgressView {
        lock(&self.progress).view(now)
    }

    /// Counts what a worker reports; gives the env steps before it.
    pub(crate) fn report(&self, report: &v1::Report, now: Duration) -> u64 {
        let mut progress = lock(&self.progress);
        let before = progress.counters().env_steps;
        let evaluations = progress.counters().evaluations;
        let solved = progress.record_report(report, now);
        shown::show_report(&self.metrics, report, &progress);
        let counters = progress.counters();
        let mean = counters.return_mean_100().map(f64::from);
        let seconds = counters.seconds_to_solve;
        let evaluation = counters.last_evaluation;
        let is_new = counters.evaluations > evaluations;
        drop(progress);
        if let (true, Some(evaluation)) = (is_new, evaluation) {
            self.evaluated(&evaluation, now);
        }
        if solved {
            tracing::info!(return_mean_100 = mean, seconds, "task solved");
            self.note(
                Occurrence::info("task solved").with("return_mean_100", mean),
                now,
            );
        }
        if report.environment_restarts > 0 {
            let restarts = report.environment_restarts;
            let occurrence = Occurrence::warning("environment host restarted");
            self.note(occurrence.with("restarts", restarts), now);
        }
        before
    }

    /// Counts up to `env_steps`, if they are more than were counted.
    pub(crate) fn follow(&self, env_steps: u64, frame_skip: u32) {
        lock(&self.progress).follow(env_steps, frame_skip);
    }

    /// Notes for the event log what has happened; false if there has been enough of its kind.
    pub(crate) fn note(&self, occurrence: Occurrence, now: Duration) -> bool {
        let moment = {
            let progress = lock(&self.progress);
            Moment {
                since_start: now,
                wall_seconds: progress.wall_seconds(now),
                unix_seconds: self.unix_seconds(now),
                env_steps: progress.counters().env_steps,
            }
        };
        lock(&self.journal).note(occurrence, moment)
    }

    /// What has happened since the last call.
    pub(crate) fn take_events(&self) -> VecDeque<RunEvent> {
        lock(&self.journal).take()
    }

    /// The history's next point. What only the learner knows is left open.
    pub(crate) fn point(&self, now: Duration) -> ProgressPoint {
        ProgressPoint {
            unix_seconds: Some(self.unix_seconds(now)),
            ..lock(&self.progress).point(now)
        }
    }

    /// A moment, in seconds since 1970.
    pub(crate) fn unix_seconds(&self, now: Duration) -> f64 {
        self.started_unix_seconds + now.as_secs_f64()
    }

    /// Counts an update, before anybody can see it.
    pub(crate) fn update(&self, update: Update) {
        lock(&self.progress).record_update(update);
        let Update {
            gradients,
            staleness,
            norm,
        } = update;
        self.metrics.gradients_applied.inc_by(gradients);
        self.metrics.gradient_norm.observe(norm);
        for _ in 0..gradients {
            self.metrics.gradient_staleness.observe(staleness as f64);
        }
    }

    pub(crate) fn rejection(&self, verdict: Verdict, gradients: u64) {
        lock(&self.progress).record_rejection(verdict, gradients);
        self.metrics
            .gradients_rejected
            .with_label_values(&[verdict.name()])
            .inc_by(gradients);
    }

    /// Counts a report that cannot be true.
    pub(crate) fn report_refused(&self, part: ReportPart) {
        let refused = &self.metrics.reports_refused;
        refused.with_label_values(&[part.name()]).inc();
    }

    /// Why the run is over, if it is.
    pub(crate) fn end(&self, run: &RunSettings) -> Option<String> {
        let progress = lock(&self.progress);
        let counters = progress.counters();
        if counters.env_steps >= run.total_env_steps {
            Some(format!("all {} env steps are done", run.total_env_steps))
        } else if run.stop_when_solved && counters.seconds_to_solve.is_some() {
            Some("the task is solved".to_owned())
        } else {
            None
        }
    }

    /// Tells of an evaluation.
    fn evaluated(&self, evaluation: &Evaluation, now: Duration) {
        shown::show_evaluation(&self.metrics, evaluation);
        self.metrics.evaluations.inc();
        let (mean, std) = (evaluation.return_mean.get(), evaluation.return_std.get());
        let (episodes, env_steps) = (evaluation.episodes, evaluation.env_steps);
        tracing::info!(
            return_mean = mean,
            return_std = std,
            episodes,
            env_steps,
            "evaluated"
        );
        let occurrence = Occurrence::info("evaluated")
            .with("return_mean", mean)
            .with("return_std", std)
            .with("length_mean", evaluation.length_mean.get())
            .with("episodes", episodes)
            .with("version", evaluation.version)
            .with("weights_env_steps", env_steps);
        self.note(occurrence, now);
    }
}
