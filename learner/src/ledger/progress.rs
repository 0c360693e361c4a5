//! What a run has done so far: counters, returns, rates.

use std::collections::BTreeMap;
use std::time::Duration;

use troop_common::bounds::LOSSES;
use troop_common::experiment::SolvedBy;
use troop_common::finite::Finite;
use troop_common::proto::v1;

use super::counters::{Counters, add};
use super::evaluation::Evaluation;
use super::goal::Goal;
use super::progress_point::ProgressPoint;
use super::progress_view::ProgressView;
use super::rate_window::RateWindow;
use super::since_point::SincePoint;
use super::staleness::{StalenessBucket, StalenessCounts};
use super::update::Update;
use crate::answers::Verdict;

/// Episodes in the mean that decides whether a task is solved.
const RETURN_WINDOW: usize = 100;

/// Loss terms that are followed.
const LOSS_TERMS: usize = LOSSES.most;

/// How far the loss that is shown moves towards a newly reported one.
const LOSS_SMOOTHING: f64 = 0.05;

/// Counts a run's progress. Times are since this life began.
#[derive(Debug)]
pub(crate) struct Progress {
    counters: Counters,
    earlier_seconds: f64,
    goal: Goal,
    losses: BTreeMap<String, Finite>,
    staleness: StalenessCounts,
    since_point: SincePoint,
    rates: RateWindow,
}

impl Progress {
    pub(crate) fn new(counters: Counters, goal: Goal) -> Self {
        let rates = RateWindow::new(counters.env_steps, counters.updates);
        Self {
            earlier_seconds: counters.wall_seconds,
            counters,
            goal,
            losses: BTreeMap::new(),
            staleness: StalenessCounts::default(),
            since_point: SincePoint::default(),
            rates,
        }
    }

    /// Counts what a worker reports; whether the task is solved for the first time by it.
    pub(crate) fn record_report(&mut self, report: &v1::Report, now: Duration) -> bool {
        let wall_seconds = self.wall_seconds(now);
        let counters = &mut self.counters;
        add(&mut counters.env_steps, report.env_steps);
        add(&mut counters.frames, report.frames);
        add(
            &mut counters.environment_restarts,
            report.environment_restarts,
        );
        counters.wall_seconds = wall_seconds;
        for term in &report.losses {
            self.record_loss(term);
        }
        let mut solved = self.record_evaluation(report);
        for episode in &report.episodes {
            solved |= self.record_return(episode.return_sum);
            self.record_length(episode.length);
        }
        self.sample(now);
        solved
    }

    /// Terms beyond the first few are not followed: their names come from outside.
    fn record_loss(&mut self, term: &v1::LossTerm) {
        let Some(value) = Finite::new(term.value) else {
            return;
        };
        if let Some(smoothed) = self.losses.get_mut(&term.term) {
            *smoothed = smoothed.towards(value, LOSS_SMOOTHING);
        } else if self.losses.len() < LOSS_TERMS {
            self.losses.insert(term.term.clone(), value);
        }
    }

    /// Whether a loss term is one of those that are shown.
    pub(crate) fn follows_loss(&self, term: &str) -> bool {
        self.losses.contains_key(term)
    }

    /// A return that is no finite number is an episode all the same; it enters no mean, nor a
    /// checkpoint, whose JSON could not hold it.
    fn record_return(&mut self, return_sum: f64) -> bool {
        let counters = &mut self.counters;
        add(&mut counters.episodes, 1);
        let Some(return_sum) = Finite::new(return_sum) else {
            return false;
        };
        counters.recent_returns.push_back(return_sum);
        if counters.recent_returns.len() > RETURN_WINDOW {
            counters.recent_returns.pop_front();
        }
        let Some(mean) = counters
            .return_mean_100()
            .filter(|_| counters.recent_returns.len() == RETURN_WINDOW)
        else {
            return false;
        };
        let best = counters.best_return_mean_100.filter(|best| *best >= mean);
        counters.best_return_mean_100 = Some(best.unwrap_or(mean));
        let env_steps = counters.env_steps;
        self.solve(SolvedBy::Training, mean, env_steps)
    }

    /// Counts the evaluation of a report, if it has one; whether that solves the task.
    fn record_evaluation(&mut self, report: &v1::Report) -> bool {
        let counters = &mut self.counters;
        let wall_seconds = counters.wall_seconds;
        let message = report.evaluation.as_ref();
        let Some(newest) = message.and_then(|message| Evaluation::of(message, wall_seconds)) else {
            return false;
        };
        add(&mut counters.evaluations, 1);
        counters.last_evaluation = Some(newest);
        let best = counters.best_evaluation;
        if best.is_none_or(|best| best.return_mean < newest.return_mean) {
            counters.best_evaluation = Some(newest);
        }
        self.solve(SolvedBy::Evaluation, newest.return_mean, newest.env_steps)
    }

    /// Notes that the task is solved if `mean`, which is one of `these` returns, does it for the first time.
    fn solve(&mut self, these: SolvedBy, mean: Finite, env_steps: u64) -> bool {
        let counters = &mut self.counters;
        let solved = counters.seconds_to_solve.is_none() && self.goal.is_reached(these, mean);
        if solved {
            counters.seconds_to_solve = Some(counters.wall_seconds);
            counters.env_steps_to_solve = Some(env_steps);
        }
        solved
    }

    fn record_length(&mut self, length: u64) {
        let lengths = &mut self.counters.recent_lengths;
        lengths.push_back(length);
        if lengths.len() > RETURN_WINDOW {
            lengths.pop_front();
        }
    }

    /// Counts up to `env_steps`, each of `frame_skip` frames, if they are more than were counted.
    pub(crate) fn follow(&mut self, env_steps: u64, frame_skip: u32) {
        let counters = &mut self.counters;
        let more = env_steps.saturating_sub(counters.env_steps);
        add(&mut counters.env_steps, more);
        add(
            &mut counters.frames,
            more.saturating_mul(u64::from(frame_skip)),
        );
    }

    /// Counts an update.
    pub(crate) fn record_update(&mut self, update: Update) {
        let Update {
            gradients,
            staleness,
            norm: _,
        } = update;
        add(&mut self.counters.updates, 1);
        add(&mut self.counters.gradients_applied, gradients);
        for _ in 0..gradients {
            self.staleness.record(staleness);
        }
        self.since_point.record(update);
    }

    pub(crate) fn record_rejection(&mut self, verdict: Verdict, gradients: u64) {
        let rejected = &mut self.counters.rejected;
        add(
            rejected.entry(verdict.name().into()).or_default(),
            gradients,
        );
    }

    /// Time that the run has been going on, in seconds, earlier lives included.
    pub(crate) fn wall_seconds(&self, now: Duration) -> f64 {
        self.earlier_seconds + now.as_secs_f64()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn view(&mut self, now: Duration) -> ProgressView {
        self.counters.wall_seconds = self.wall_seconds(now);
        self.sample(now);
        let (env_steps, updates) = (self.counters.env_steps, self.counters.updates);
        let (env_steps_per_second, updates_per_second) =
            self.rates.per_second(env_steps, updates, now);
        ProgressView {
            return_mean_100: self.counters.return_mean_100(),
            episode_length_mean_100: self.counters.episode_length_mean_100(),
            counters: self.counters.clone(),
            env_steps_per_second,
            updates_per_second,
            losses: self.losses.clone(),
            staleness_updates: self.staleness.summary(),
        }
    }

    /// The gradients applied in this life by their staleness.
    pub(crate) fn staleness_histogram(&self) -> Vec<StalenessBucket> {
        self.staleness.histogram()
    }

    /// The history's next point. What only the learner knows is left open.
    pub(crate) fn point(&mut self, now: Duration) -> ProgressPoint {
        let view = self.view(now);
        let since = std::mem::take(&mut self.since_point);
        let (any, staleness) = (since.any(), since.staleness());
        let counters = view.counters;
        ProgressPoint {
            wall_seconds: counters.wall_seconds,
            env_steps: counters.env_steps,
            frames: counters.frames,
            episodes: counters.episodes,
            updates: counters.updates,
            env_steps_per_second: view.env_steps_per_second,
            updates_per_second: view.updates_per_second,
            return_mean_100: view.return_mean_100,
            episode_length_mean_100: view.episode_length_mean_100,
            staleness_mean_updates: staleness.mean,
            staleness_p50_updates: any.then_some(staleness.p50),
            staleness_p99_updates: any.then_some(staleness.p99),
            staleness_max_updates: any.then_some(staleness.max),
            gradient_norm_mean: since.norm_mean(),
            gradients_applied: Some(counters.gradients_applied),
            gradients_rejected: Some(counters.gradients_rejected()),
            evaluation: counters.last_evaluation,
            losses: view.losses,
            ..ProgressPoint::default()
        }
    }

    fn sample(&mut self, now: Duration) {
        let (env_steps, updates) = (self.counters.env_steps, self.counters.updates);
        self.rates.sample(env_steps, updates, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(env_steps: u64, returns: &[f64]) -> v1::Report {
        let episode = |r: &f64| v1::Episode {
            return_sum: *r,
            length: 1,
        };
        v1::Report {
            env_steps,
            frames: env_steps * 4,
            episodes: returns.iter().map(episode).collect(),
            ..v1::Report::default()
        }
    }

    #[test]
    fn solving_needs_a_hundred_episodes_and_happens_once() {
        let mut progress = Progress::new(Counters::default(), Goal::training(10.0));
        let second = Duration::from_secs(1);
        assert!(!progress.record_report(&report(99, &[20.0; 99]), second));
        assert!(progress.record_report(&report(1, &[20.0]), second * 2));
        assert!(!progress.record_report(&report(1, &[20.0]), second * 3));
        let counters = progress.counters();
        assert_eq!(
            (counters.seconds_to_solve, counters.env_steps_to_solve),
            (Some(2.0), Some(100))
        );
        assert_eq!(counters.best_return_mean_100, Finite::new(20.0));
    }

    #[test]
    fn loss_terms_are_bounded_and_finite() {
        let mut progress = Progress::new(Counters::default(), Goal::default());
        let term = |term: String, value| v1::LossTerm { term, value };
        let named = (0..100).map(|i| term(format!("term{i}"), 1.0));
        let losses = named.chain([term("term0".into(), f64::NAN)]).collect();
        let report = v1::Report {
            losses,
            ..v1::Report::default()
        };
        progress.record_report(&report, Duration::ZERO);
        assert_eq!(progress.losses.len(), LOSS_TERMS);
        assert!(progress.losses.values().all(|value| value.get() == 1.0));
        assert!(progress.follows_loss("term3") && !progress.follows_loss("term99"));
    }

    #[test]
    fn returns_that_are_no_finite_numbers_are_episodes_and_enter_no_mean() {
        let mut progress = Progress::new(Counters::default(), Goal::training(10.0));
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        progress.record_report(&report(3, &odd), Duration::ZERO);
        progress.record_report(&report(2, &[1.0, 3.0]), Duration::ZERO);
        let counters = progress.counters();
        assert_eq!(counters.episodes, 5);
        assert_eq!(counters.return_mean_100(), Finite::new(2.0));
        let json = serde_json::to_string(counters).unwrap();
        assert_eq!(serde_json::from_str::<Counters>(&json).unwrap(), *counters);
    }

    #[test]
    fn counters_stop_at_the_largest_number_and_means_of_huge_numbers_stay_finite() {
        let mut progress = Progress::new(Counters::default(), Goal::training(f64::MAX));
        for _ in 0..3 {
            let huge = v1::Report {
                frames: u64::MAX,
                environment_restarts: 1 << 63,
                losses: [f64::MAX, f64::MIN]
                    .map(|value| v1::LossTerm {
                        term: "value".into(),
                        value,
                    })
                    .into(),
                episodes: vec![
                    v1::Episode {
                        return_sum: f64::MAX,
                        length: u64::MAX
                    };
                    RETURN_WINDOW
                ],
                ..report(u64::MAX, &[])
            };
            progress.record_report(&huge, Duration::ZERO);
        }
        let counters = progress.counters();
        let counted = [
            counters.env_steps,
            counters.frames,
            counters.environment_restarts,
        ];
        assert_eq!(counted, [u64::MAX; 3]);
        assert!(counters.return_mean_100().unwrap().get() > 1e308);
        assert!(counters.episode_length_mean_100().unwrap().is_finite());
        let point = progress.point(Duration::from_secs(1));
        let text =
            serde_json::to_string(&crate::run_files::history::Line::Progress(Box::new(point)))
                .unwrap();
        assert!(
            crate::run_files::history::Line::parse(&text).is_ok(),
            "{text}"
        );
        assert!(!text.contains(r#""value":null"#), "{text}");
    }

    #[test]
    fn a_resumed_run_goes_on_counting() {
        let before = Counters {
            env_steps: 500,
            wall_seconds: 50.0,
            ..Counters::default()
        };
        let mut progress = Progress::new(before, Goal::default());
        progress.record_report(&report(5, &[]), Duration::from_secs(2));
        assert_eq!(progress.counters().env_steps, 505);
        assert_eq!(progress.counters().wall_seconds, 52.0);
    }

    #[test]
    fn rates_cover_the_last_ten_seconds() {
        let mut progress = Progress::new(Counters::default(), Goal::default());
        for second in 1..=60 {
            let steps = if second <= 30 { 1000 } else { 10 };
            progress.record_report(&report(steps, &[]), Duration::from_secs(second));
        }
        let rate = progress.view(Duration::from_secs(60)).env_steps_per_second;
        assert!((9.0..=11.0).contains(&rate), "{rate}");
    }
}
