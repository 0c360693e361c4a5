//! What Prometheus sees of reports.

use troop_common::finite::Finite;
use troop_common::proto::v1;

use super::evaluation::Evaluation;
use super::plausibility::ReportPart;
use super::progress::Progress;
use crate::answers::Verdict;
use crate::metrics::{Metrics, of_count};

/// Shows what a report says, which `progress` has counted.
pub(super) fn show_report(metrics: &Metrics, report: &v1::Report, progress: &Progress) {
    metrics.env_steps.inc_by(report.env_steps);
    metrics.frames.inc_by(report.frames);
    metrics.episodes.inc_by(report.episodes.len() as u64);
    metrics
        .environment_restarts
        .inc_by(report.environment_restarts);
    for episode in &report.episodes {
        metrics.episode_length.observe(episode.length as f64);
        // One that is not finite would spoil the histogram's sum for good.
        if let Some(return_sum) = Finite::new(episode.return_sum) {
            metrics.episode_return.observe(return_sum.get());
        }
    }
    if let Some(mean) = progress
        .counters()
        .return_mean_100()
        .filter(|_| !report.episodes.is_empty())
    {
        metrics.episode_return_mean.set(mean.get());
    }
    for term in &report.losses {
        if let Some(value) = Finite::new(term.value).filter(|_| progress.follows_loss(&term.term)) {
            let of_term = metrics.loss.with_label_values(&[term.term.as_str()]);
            of_term.set(value.get());
        }
    }
}

/// Shows the newest evaluation.
pub(super) fn show_evaluation(metrics: &Metrics, evaluation: &Evaluation) {
    metrics
        .evaluation_return_mean
        .set(evaluation.return_mean.get());
    metrics
        .evaluation_return_std
        .set(evaluation.return_std.get());
    let env_steps = of_count(evaluation.env_steps);
    metrics.evaluation_env_steps.set(env_steps);
}

/// The rate of what never happened is 0, not nothing.
pub(super) fn show_from_the_start(metrics: &Metrics) {
    for verdict in Verdict::REFUSALS {
        let rejected = &metrics.gradients_rejected;
        rejected.with_label_values(&[verdict.name()]);
    }
    for part in ReportPart::ALL {
        metrics.reports_refused.with_label_values(&[part.name()]);
    }
}
