//! Final scores of presets and methods beside each other, with what few seeds allow to say.

use std::collections::{BTreeMap, BTreeSet};

use super::bootstrap::{Strata, estimate, interquartile_mean, share_above};
use super::chart::{Axis, Chart, Point, Series};
use super::finished_run::FinishedRun;
use super::group::{Group, grouped};
use super::page::{Page, table};

const INTRODUCTION: &str = "\
Final scores as Agarwal et al. 2021, [Deep Reinforcement Learning at the Edge of the Statistical Precipice](https://arxiv.org/abs/2108.13264), \
compare them. `IQM` is the interquartile mean, the mean of the middle half of the runs, with the 95 % interval of a stratified \
bootstrap over seeds in brackets: where intervals overlap, more seeds may turn the order round. *Training* is the mean return of the \
last 100 training episodes when a run ended, *evaluated* that of its last evaluation apart from training (`experiment.evaluate`), and \
a dash stands where there was none.";

const TOGETHER: &str = "\
Methods over the tasks that all of them have, each score in units of its task's range on this page: 0 is the lowest of its runs, 1 the \
highest. Runs are drawn anew within each task.";

/// Which final score of a run.
type Score = fn(&FinishedRun) -> Option<f64>;

fn trained(run: &FinishedRun) -> Option<f64> {
    run.summary.return_mean_100
}

fn evaluated(run: &FinishedRun) -> Option<f64> {
    let last = run.summary.last_evaluation.as_ref();
    last.map(|last| last.return_mean.get())
}

/// The page of a comparison, one section a task, and one for all of them.
pub(super) fn page(runs: &[FinishedRun]) -> Page {
    let mut page = Page::default();
    page.text("# Comparison");
    page.text(INTRODUCTION);
    let tasks = grouped(runs, |run| run.experiment.environment.id.clone());
    for (task, runs) in &tasks {
        page.text(format!("## {task}"));
        let presets = grouped(runs.iter().copied(), |run| run.summary.experiment.clone());
        let groups = presets
            .into_iter()
            .map(|(name, group)| (name, of_one_task(&group)));
        section(&mut page, "preset", task, &groups.collect());
    }
    let methods = together(&tasks);
    if !methods.is_empty() {
        page.text("## All tasks");
        page.text(TOGETHER);
        section(&mut page, "method", "all tasks", &methods);
    }
    page
}

/// Scores of a group, by task.
struct Scores {
    trained: Strata,
    evaluated: Strata,
}

fn of_one_task(group: &Group<'_>) -> Scores {
    let of = |score: Score| vec![group.iter().filter_map(|run| score(run)).collect()];
    Scores {
        trained: of(trained),
        evaluated: of(evaluated),
    }
}

fn section(page: &mut Page, what: &'static str, title: &str, groups: &BTreeMap<String, Scores>) {
    let rows = groups.iter().map(|(name, scores)| row(name, scores));
    let rows: Vec<_> = rows.collect();
    let heads = [what, "runs", "IQM, training", "IQM, evaluated"];
    page.text(table(heads, 1, &rows));
    let caption = format!(
        "Performance profiles of {title}: the share of runs whose final score is above the one below, training solid, \
         evaluated dashed, 95 % intervals thin"
    );
    page.picture(&format!("profile {title}"), caption, chart(groups));
}

fn chart(groups: &BTreeMap<String, Scores>) -> Chart {
    let axis = |label| Axis {
        label,
        logarithm: None,
    };
    let series = groups.iter().map(|(name, scores)| series(name, scores));
    Chart {
        x: axis("score"),
        y: axis("share of runs above it"),
        series: series.collect(),
        level: None,
    }
}

fn row(name: &str, scores: &Scores) -> [String; 4] {
    let iqm = |strata: &[Vec<f64>]| {
        let estimate = estimate(strata, interquartile_mean);
        estimate.map_or_else(|| "–".into(), |estimate| estimate.text())
    };
    let runs = scores.trained.iter().map(Vec::len).sum::<usize>();
    [
        format!("`{name}`"),
        runs.to_string(),
        iqm(&scores.trained),
        iqm(&scores.evaluated),
    ]
}

fn series(name: &str, scores: &Scores) -> Series {
    let profile = profile(&scores.trained);
    let line = |end: fn(&(f64, [f64; 3])) -> f64| -> Vec<Point> {
        profile.iter().map(|step| (step.0, end(step))).collect()
    };
    Series {
        label: name.to_owned(),
        bold: line(|(_, [value, _, _])| *value),
        thin: vec![
            line(|(_, [_, low, _])| *low),
            line(|(_, [_, _, high])| *high),
        ],
        dashed: self::profile(&scores.evaluated)
            .iter()
            .map(|(score, [value, _, _])| (*score, *value))
            .collect(),
        ..Series::default()
    }
}

/// At each score, before and behind it: the share of runs above, and the ends of its interval. A staircase.
fn profile(strata: &[Vec<f64>]) -> Vec<(f64, [f64; 3])> {
    let mut scores = strata.concat();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    let mut before = [1.0; 3];
    let mut steps = Vec::with_capacity(2 * scores.len());
    for score in scores {
        steps.push((score, before));
        let share = estimate(strata, |resampled| share_above(resampled, score));
        before = share.map_or(before, |share| [share.value, share.low, share.high]);
        steps.push((score, before));
    }
    steps
}

/// Runs of a task by method.
type ByMethod<'a> = BTreeMap<String, Group<'a>>;

fn by_method<'a>(runs: &Group<'a>) -> ByMethod<'a> {
    let method = |run: &FinishedRun| run.experiment.method.name().to_owned();
    grouped(runs.iter().copied(), method)
}

/// Scores of methods in units of each task's range, over the tasks that all methods have; nothing where that is no
/// comparison over several tasks.
fn together(tasks: &BTreeMap<String, Group<'_>>) -> BTreeMap<String, Scores> {
    let tasks: Vec<ByMethod<'_>> = tasks.values().map(by_method).collect();
    let methods: BTreeSet<&String> = tasks.iter().flat_map(BTreeMap::keys).collect();
    let has_all = |task: &&ByMethod<'_>| task.len() == methods.len();
    let shared: Vec<_> = tasks.iter().filter(has_all).collect();
    if shared.len() < 2 || methods.len() < 2 {
        return BTreeMap::new();
    }
    let of = |method: &String, score: Score| -> Strata {
        let tasks = shared.iter();
        tasks.map(|task| in_units(task, method, score)).collect()
    };
    let scores = |method: &String| Scores {
        trained: of(method, trained),
        evaluated: of(method, evaluated),
    };
    let all = methods
        .iter()
        .map(|method| ((*method).clone(), scores(method)));
    all.collect()
}

/// The scores of a method's runs of a task, 0 for the lowest of all methods' runs there and 1 for the highest.
fn in_units(task: &ByMethod<'_>, method: &str, score: Score) -> Vec<f64> {
    let scores = |group: &Group<'_>, score: Score| -> Vec<f64> {
        group.iter().filter_map(|run| score(run)).collect()
    };
    let groups = task.values();
    let every =
        groups.flat_map(|group| [scores(group, trained), scores(group, evaluated)].concat());
    let (low, high) = every.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| {
        (low.min(score), high.max(score))
    });
    let range = if high > low { high - low } else { 1.0 };
    let of_method = task.get(method).map(|group| scores(group, score));
    let of_method = of_method.unwrap_or_default();
    of_method
        .iter()
        .map(|score| (score - low) / range)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_staircase_from_all_runs_to_none() {
        let steps = profile(&[vec![3.0, 1.0, 1.0, 2.0]]);
        let values: Vec<(f64, f64)> = steps.iter().map(|(x, [y, _, _])| (*x, *y)).collect();
        let expected = [
            (1.0, 1.0),
            (1.0, 0.5),
            (2.0, 0.5),
            (2.0, 0.25),
            (3.0, 0.25),
            (3.0, 0.0),
        ];
        assert_eq!(values, expected);
        for (_, [value, low, high]) in steps {
            assert!((low..=high).contains(&value));
        }
        assert!(profile(&[]).is_empty());
    }
}
