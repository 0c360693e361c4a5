//! Every preset beside the others of its task and what others publish.

use super::chart::{Axis, Chart, Series};
use super::curves::Curves;
use super::finished_run::FinishedRun;
use super::group::{Group, env_steps_to_solve, grouped, seconds_to_solve, solved, spread};
use super::page::{Page, table};
use super::published::Published;
use super::spread::{count, three_digits};

const INTRODUCTION: &str = "\
This page is made by `make report` from the runs of `scripts/methods_study.py`. Medians over seeds, with the range in brackets. The *threshold* is the preset's `experiment.solve_return`, for the mean \
return of the last 100 training episodes; seeds that do not reach it count as later than all others, and a median is \
given where more than half reach it. The *score* is the mean return of the last 100 training episodes when the run ended, *evaluated* the mean of its last \
evaluation apart from training, if there was one (`experiment.evaluate`). \
Published scores are means over evaluations or training as their sources say; where a source has another version of the \
environment, that is said.";

/// The page of all methods, one section a task.
pub(super) fn page(runs: &[FinishedRun]) -> anyhow::Result<Page> {
    let published = Published::read()?;
    let mut page = Page::default();
    page.text("# Methods");
    page.text(INTRODUCTION);
    let tasks = grouped(runs, |run| run.experiment.environment.id.clone());
    for (task, runs) in &tasks {
        let presets = grouped(runs.iter().copied(), |run| run.summary.experiment.clone());
        page.text(format!("## {task}"));
        let ours = presets.iter().map(|(name, group)| row(name, group));
        let theirs = published.scores(task).map(|score| {
            [
                format!("*published:* {}", published.source(score)),
                score.method.clone(),
                "–".into(),
                "–".into(),
                "–".into(),
                score
                    .env_steps
                    .map_or_else(|| "–".into(), |steps| count(steps as f64)),
                three_digits(score.score),
                "–".into(),
                "–".into(),
            ]
        });
        let heads = [
            "preset",
            "method",
            "seeds that reach the threshold",
            "env steps until then",
            "seconds until then",
            "env steps in all",
            "score",
            "evaluated",
            "env steps a second",
        ];
        page.text(table(heads, 2, &ours.chain(theirs).collect::<Vec<_>>()));
        let caption = format!(
            "Learning curves of {task}: mean return of 100 episodes over env steps, a thin line a seed, the median bold"
        );
        page.picture(task, caption, chart(&presets));
    }
    Ok(page)
}

fn row(name: &str, group: &Group<'_>) -> [String; 9] {
    let method = group.first().map_or("", |run| run.experiment.method.name());
    [
        format!("`{name}`"),
        format!("`{method}`"),
        solved(group),
        spread(group, env_steps_to_solve).text(count),
        spread(group, seconds_to_solve).text(three_digits),
        spread(group, |run| Some(run.summary.env_steps as f64)).text(count),
        spread(group, |run| run.summary.return_mean_100).text(three_digits),
        evaluated(group),
        spread(group, |run| Some(run.summary.env_steps_per_second)).text(count),
    ]
}

/// The spread of last evaluations; a dash where there was none.
fn evaluated(group: &Group<'_>) -> String {
    let score = |run: &FinishedRun| Some(run.summary.last_evaluation.as_ref()?.return_mean.get());
    spread(group, score).text(three_digits)
}

fn chart(presets: &std::collections::BTreeMap<String, Group<'_>>) -> Chart {
    let series = presets.iter().map(|(name, group)| {
        let curves: Vec<_> = group.iter().map(|run| run.curve()).collect();
        let Curves { seeds, median } = Curves::new(&curves);
        Series {
            label: name.clone(),
            thin: seeds,
            bold: median,
            ..Series::default()
        }
    });
    let runs = presets.values().flatten();
    // Presets of one task have one threshold.
    let threshold = runs
        .filter_map(|run| run.experiment.experiment.solve_return)
        .next();
    Chart {
        x: Axis {
            label: "env steps",
            logarithm: None,
        },
        y: Axis {
            label: "mean return of 100 episodes",
            logarithm: None,
        },
        series: series.collect(),
        level: threshold.map(|level| (level, "threshold")),
    }
}
