//! Runs that are held together.

use std::collections::BTreeMap;

use super::finished_run::FinishedRun;
use super::spread::Spread;

/// Runs of one experiment with different seeds.
pub(super) type Group<'a> = Vec<&'a FinishedRun>;

/// Runs by `key`, in its order.
pub(super) fn grouped<'a, K: Ord>(
    runs: impl IntoIterator<Item = &'a FinishedRun>,
    key: impl Fn(&FinishedRun) -> K,
) -> BTreeMap<K, Group<'a>> {
    let mut groups: BTreeMap<K, Group<'a>> = BTreeMap::new();
    for run in runs {
        groups.entry(key(run)).or_default().push(run);
    }
    groups
}

/// Something of each run of a group.
pub(super) fn spread(group: &[&FinishedRun], of: impl Fn(&FinishedRun) -> Option<f64>) -> Spread {
    Spread::of(group.iter().map(|run| of(run)))
}

/// Env steps until the threshold; none if it was not reached.
pub(super) fn env_steps_to_solve(run: &FinishedRun) -> Option<f64> {
    run.summary.env_steps_to_solve.map(|steps| steps as f64)
}

/// Seconds until the threshold; none if it was not reached.
pub(super) fn seconds_to_solve(run: &FinishedRun) -> Option<f64> {
    run.summary.seconds_to_solve
}

/// `3 of 5`: the runs that reach the threshold; a dash if there is none.
pub(super) fn solved(group: &[&FinishedRun]) -> String {
    let mut thresholds = group
        .iter()
        .map(|run| run.experiment.experiment.solve_return);
    if thresholds.all(|threshold| threshold.is_none()) {
        return "–".into();
    }
    let solved = group.iter().filter(|run| seconds_to_solve(run).is_some());
    format!("{} of {}", solved.count(), group.len())
}
