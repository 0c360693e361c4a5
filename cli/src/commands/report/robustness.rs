//! The final score over learning rates, as Figure 2 of Mnih et al. 2016 shows it.

use super::chart::{Axis, Chart, Point, Series};
use super::finished_run::FinishedRun;
use super::group::{Group, grouped, solved, spread};
use super::page::{Page, table};
use super::spread::three_digits;

const INTRODUCTION: &str = "\
This page is made by `scripts/robustness_study.py`. Each dot is a run with a learning rate of its own, drawn log-uniformly as in Mnih et al. 2016, §5.2; nothing else \
differs but the seed. The score is the mean return of the last 100 training episodes when the run ended.";

/// The page of robustness, all experiments in one picture a task.
pub(super) fn page(runs: &[FinishedRun]) -> Page {
    let mut page = Page::default();
    page.text("# Robustness to the learning rate");
    page.text(INTRODUCTION);
    let tasks = grouped(runs, |run| run.experiment.environment.id.clone());
    for (task, runs) in &tasks {
        page.text(format!("## {task}"));
        let experiments = grouped(runs.iter().copied(), |run| {
            (
                run.experiment.method.name().to_owned(),
                run.summary.experiment.clone(),
            )
        });
        let rows: Vec<_> = experiments
            .iter()
            .map(|((method, name), group)| row(method, name, group))
            .collect();
        let heads = [
            "method",
            "preset",
            "runs that reach the threshold",
            "learning rates that reach it",
            "score",
        ];
        page.text(table(heads, 2, &rows));
        let series = experiments.iter().map(|((method, _), group)| Series {
            label: method.clone(),
            dots: group.iter().filter_map(|run| dot(run)).collect(),
            ..Series::default()
        });
        let threshold = runs
            .iter()
            .filter_map(|run| run.experiment.experiment.solve_return);
        let chart = Chart {
            x: Axis {
                label: "learning rate",
                logarithm: Some(10.0),
            },
            y: Axis {
                label: "score at the end",
                logarithm: None,
            },
            series: series.collect(),
            level: threshold.map(|level| (level, "threshold")).next(),
        };
        page.picture(task, format!("Scores of {task} over learning rates"), chart);
    }
    page
}

fn dot(run: &FinishedRun) -> Option<Point> {
    Some((
        run.experiment.optimizer.learning_rate,
        run.summary.return_mean_100?,
    ))
}

fn row(method: &str, name: &str, group: &Group<'_>) -> [String; 5] {
    let mut rates: Vec<f64> = group
        .iter()
        .filter(|run| run.summary.seconds_to_solve.is_some())
        .map(|run| run.experiment.optimizer.learning_rate)
        .collect();
    rates.sort_by(f64::total_cmp);
    let range = rates.first().zip(rates.last());
    let range = range.map(|(least, most)| format!("{least:.1e} to {most:.1e}"));
    [
        format!("`{method}`"),
        format!("`{name}`"),
        solved(group),
        range.unwrap_or_else(|| "–".into()),
        spread(group, |run| run.summary.return_mean_100).text(three_digits),
    ]
}
