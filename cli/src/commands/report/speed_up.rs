//! How much sooner more workers get there, beside Table 2 of Mnih et al. 2016.

use std::collections::BTreeMap;

use super::chart::{Axis, Chart, Point, Series};
use super::finished_run::FinishedRun;
use super::group::{Group, env_steps_to_solve, grouped, seconds_to_solve, solved, spread};
use super::page::{Page, table};
use super::published::Published;
use super::spread::{count, three_digits};

const INTRODUCTION: &str = "\
This page is made by `scripts/speed_up_study.py`, in the paper's set-up: a worker has one environment and sends a gradient each 5 steps, target networks are taken by \
frames, and the threshold is the mean of an evaluation of 20 episodes, one each 2 000 or 10 000 env steps. The speed-up of W workers is the median time of one worker until then, \
divided by that of W workers; if they also need fewer env steps, it is more than W. Seeds that do not reach the threshold count as later than all others. Each step of \
an environment sleeps (`environment.step_sleep_us`), so that two cores carry all workers and time is that of the environments.";

/// The page of speed-ups, one section an experiment.
pub(super) fn page(runs: &[FinishedRun]) -> anyhow::Result<Page> {
    let published = Published::read()?;
    let mut page = Page::default();
    page.text("# Speed-up by the number of workers");
    page.text(format!(
        "{INTRODUCTION} The paper's figures are those of its Table 2, means over seven Atari games ({}).",
        published.speed_up_source()
    ));
    let experiments = grouped(runs, |run| run.summary.experiment.clone());
    for (name, runs) in &experiments {
        let by_workers = grouped(runs.iter().copied(), |run| run.experiment.actor.workers);
        let Some(first) = runs.first() else { continue };
        let method = first.experiment.method.name();
        let paper = published.speed_ups(method);
        let ours = speed_ups(&by_workers);
        page.text(format!(
            "## `{name}`: {}, `{method}`",
            first.experiment.environment.id
        ));
        let rows: Vec<_> = by_workers
            .iter()
            .map(|(workers, group)| row(*workers, group, &ours, &paper))
            .collect();
        let heads = [
            "workers",
            "seeds that reach the threshold",
            "env steps until then",
            "seconds until then",
            "speed-up",
            "the paper's",
        ];
        page.text(table(heads, 0, &rows));
        let caption = format!("Speed-up of {name} by the number of workers");
        page.picture(name, caption, chart(&ours, &paper));
    }
    Ok(page)
}

/// By number of workers; empty where one worker alone does not get there.
fn speed_ups(by_workers: &BTreeMap<usize, Group<'_>>) -> Vec<(usize, f64)> {
    let seconds = |group: &Group<'_>| spread(group, seconds_to_solve).median;
    let Some(alone) = by_workers.get(&1).and_then(seconds) else {
        return Vec::new();
    };
    let reached = by_workers
        .iter()
        .filter_map(|(workers, group)| Some((*workers, seconds(group)?)));
    reached
        .map(|(workers, seconds)| (workers, alone / seconds))
        .collect()
}

fn row(
    workers: usize,
    group: &Group<'_>,
    ours: &[(usize, f64)],
    paper: &[(usize, f64)],
) -> [String; 6] {
    let of = |speed_ups: &[(usize, f64)]| {
        let found = speed_ups.iter().find(|(number, _)| *number == workers);
        found.map_or_else(|| "–".into(), |(_, speed_up)| format!("{speed_up:.1}"))
    };
    [
        workers.to_string(),
        solved(group),
        spread(group, env_steps_to_solve).text(count),
        spread(group, seconds_to_solve).text(three_digits),
        of(ours),
        of(paper),
    ]
}

fn chart(ours: &[(usize, f64)], paper: &[(usize, f64)]) -> Chart {
    let points = |speed_ups: &[(usize, f64)]| -> Vec<Point> {
        let point = |(workers, speed_up): &(usize, f64)| (*workers as f64, *speed_up);
        speed_ups.iter().map(point).collect()
    };
    let axis = |label| Axis {
        label,
        logarithm: Some(2.0),
    };
    let mut series = vec![Series {
        label: "measured".into(),
        bold: points(ours),
        dots: points(ours),
        ..Series::default()
    }];
    if !paper.is_empty() {
        series.push(Series {
            label: "the paper's Table 2".into(),
            dashed: points(paper),
            dots: points(paper),
            ..Series::default()
        });
    }
    Chart {
        x: axis("workers"),
        y: axis("speed-up"),
        series,
        level: None,
    }
}
