use std::collections::BTreeMap;

use serde::Serialize;
use troop_common::causes::with_causes;
use troop_common::finite::Finite;

use super::points::Points;
use crate::answers::{ReplayView, SessionView};
use crate::ledger::staleness::{StalenessBucket, StalenessSummary};
use crate::ledger::{Evaluation, ProgressView};
use crate::run_files::history::{ProgressPoint, RunEvent};
use crate::run_files::run_directory::RunDirectoryError;
use crate::run_files::summary::Summary;

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunPhase {
    /// It goes on.
    Running,
    /// It was told to stop and is about to.
    Draining,
    /// It is over.
    Finished,
    /// It ended without being over, because of a fault.
    Failed,
    /// It was told to stop, or its process was killed: nothing writes to it. It can go on.
    Stopped,
    /// Its files cannot be read.
    Unreadable,
}

/// A run among others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    pub(super) run: String,
    pub(super) experiment: String,
    pub(super) seed: u64,
    pub(super) phase: RunPhase,
    /// Why it failed, or cannot be read.
    pub(super) problem: Option<String>,
    pub(super) total_env_steps: u64,
    /// The return that solves the task, if the experiment names one.
    pub(super) solve_return: Option<f64>,
    /// Whether it is of evaluations, not of training.
    pub(super) solved_by_evaluation: bool,
    pub(super) now: NowView,
}

impl RunView {
    /// Of a run that nothing else is known of.
    pub(super) fn unreadable(run: &str, error: &RunDirectoryError) -> Self {
        Self {
            run: run.into(),
            experiment: String::new(),
            seed: 0,
            phase: RunPhase::Unreadable,
            problem: Some(with_causes(error)),
            total_env_steps: 0,
            solve_return: None,
            solved_by_evaluation: false,
            now: NowView::default(),
        }
    }
}

/// What a run has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct NowView {
    pub(super) wall_seconds: f64,
    pub(super) env_steps: u64,
    pub(super) episodes: u64,
    pub(super) updates: u64,
    pub(super) env_steps_per_second: f64,
    pub(super) updates_per_second: f64,
    pub(super) return_mean_100: Option<Finite>,
    pub(super) episode_length_mean_100: Option<f64>,
    pub(super) best_return_mean_100: Option<Finite>,
    pub(super) last_evaluation: Option<Evaluation>,
    pub(super) best_evaluation: Option<Evaluation>,
    pub(super) seconds_to_solve: Option<f64>,
    pub(super) staleness_updates: StalenessSummary,
    pub(super) staleness_histogram: Vec<StalenessBucket>,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) losses: BTreeMap<String, Finite>,
}

impl NowView {
    pub(super) fn of_progress(view: &ProgressView, histogram: Vec<StalenessBucket>) -> Self {
        let counters = &view.counters;
        Self {
            wall_seconds: counters.wall_seconds,
            env_steps: counters.env_steps,
            episodes: counters.episodes,
            updates: counters.updates,
            env_steps_per_second: view.env_steps_per_second,
            updates_per_second: view.updates_per_second,
            return_mean_100: view.return_mean_100,
            episode_length_mean_100: view.episode_length_mean_100,
            best_return_mean_100: counters.best_return_mean_100,
            last_evaluation: counters.last_evaluation,
            best_evaluation: counters.best_evaluation,
            seconds_to_solve: counters.seconds_to_solve,
            staleness_updates: view.staleness_updates,
            staleness_histogram: histogram,
            rejected: counters.rejected.clone(),
            losses: view.losses.clone(),
        }
    }

    pub(super) fn of_summary(summary: &Summary) -> Self {
        Self {
            wall_seconds: summary.wall_seconds,
            env_steps: summary.env_steps,
            episodes: summary.episodes,
            updates: summary.updates,
            env_steps_per_second: summary.env_steps_per_second,
            updates_per_second: summary.updates_per_second,
            return_mean_100: summary.return_mean_100.and_then(Finite::new),
            episode_length_mean_100: None,
            best_return_mean_100: summary.best_return_mean_100.and_then(Finite::new),
            last_evaluation: summary.last_evaluation,
            best_evaluation: summary.best_evaluation,
            seconds_to_solve: summary.seconds_to_solve,
            staleness_updates: summary.staleness_updates,
            staleness_histogram: summary.staleness_histogram.clone(),
            rejected: summary.gradients.rejected.clone(),
            losses: BTreeMap::new(),
        }
    }

    /// Of a run whose process tells nothing else.
    pub(super) fn of_points(points: &[ProgressPoint]) -> Self {
        let Some(last) = points.last() else {
            return Self::default();
        };
        let means = points.iter().filter_map(|point| point.return_mean_100);
        let evaluations = points.iter().filter_map(|point| point.evaluation);
        Self {
            wall_seconds: last.wall_seconds,
            env_steps: last.env_steps,
            episodes: last.episodes,
            updates: last.updates,
            env_steps_per_second: last.env_steps_per_second,
            updates_per_second: last.updates_per_second,
            return_mean_100: last.return_mean_100,
            episode_length_mean_100: last.episode_length_mean_100,
            best_return_mean_100: means.max(),
            last_evaluation: last.evaluation,
            best_evaluation: evaluations.max_by_key(|one| one.return_mean),
            staleness_updates: StalenessSummary {
                mean: last.staleness_mean_updates,
                p50: last.staleness_p50_updates.unwrap_or_default(),
                p99: last.staleness_p99_updates.unwrap_or_default(),
                max: last.staleness_max_updates.unwrap_or_default(),
            },
            losses: last.losses.clone(),
            ..Self::default()
        }
    }
}

/// An event of a run, with its number in the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct EventView {
    number: u64,
    #[serde(flatten)]
    event: RunEvent,
}

impl EventView {
    pub(super) fn new(number: u64, event: &RunEvent) -> Self {
        Self {
            number,
            event: event.clone(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// What is new in a history.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct News {
    /// Whether this replaces everything that came before.
    pub(super) from_start: bool,
    pub(super) points: Points,
    pub(super) events: Vec<EventView>,
}

/// What is new in a run, and how it stands.
#[derive(Debug, PartialEq, Serialize)]
pub struct RunUpdate {
    #[serde(flatten)]
    pub(super) view: RunView,
    #[serde(flatten)]
    pub(super) news: News,
    /// None if its process is another.
    pub(super) live: Option<LiveView>,
}

/// What only the run's own process knows.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LiveView {
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) session_count: usize,
    /// The first ones, if there are very many.
    pub(super) sessions: Vec<SessionView>,
    pub(super) replays: Vec<ReplayView>,
}
