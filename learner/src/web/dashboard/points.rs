use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use troop_common::finite::Finite;

use crate::ledger::Evaluation;
use crate::run_files::history::ProgressPoint;

/// Points of a run's history, a list for each quantity: all have the same length.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Points {
    wall_seconds: Vec<f64>,
    env_steps: Vec<u64>,
    env_steps_per_second: Vec<f64>,
    updates_per_second: Vec<f64>,
    return_mean_100: Vec<Option<Finite>>,
    episode_length_mean_100: Vec<Option<f64>>,
    staleness_mean_updates: Vec<f64>,
    staleness_p99_updates: Vec<Option<u64>>,
    staleness_max_updates: Vec<Option<u64>>,
    /// The newest evaluation by then: where its weights stand, when it came, what it came to.
    evaluation_env_steps: Vec<Option<u64>>,
    evaluation_wall_seconds: Vec<Option<f64>>,
    evaluation_return_mean: Vec<Option<Finite>>,
    evaluation_return_std: Vec<Option<Finite>>,
    losses: BTreeMap<String, Vec<Option<Finite>>>,
}

impl Points {
    pub(super) fn of(points: &[ProgressPoint]) -> Self {
        let terms: BTreeSet<&String> = points.iter().flat_map(|p| p.losses.keys()).collect();
        let of_term = |term: &&String| {
            let values = points.iter().map(|p| p.losses.get(*term).copied());
            ((*term).clone(), values.collect())
        };
        Self {
            losses: terms.iter().map(of_term).collect(),
            wall_seconds: column(points, |p| p.wall_seconds),
            env_steps: column(points, |p| p.env_steps),
            env_steps_per_second: column(points, |p| p.env_steps_per_second),
            updates_per_second: column(points, |p| p.updates_per_second),
            return_mean_100: column(points, |p| p.return_mean_100),
            episode_length_mean_100: column(points, |p| p.episode_length_mean_100),
            staleness_mean_updates: column(points, |p| p.staleness_mean_updates),
            staleness_p99_updates: column(points, |p| p.staleness_p99_updates),
            staleness_max_updates: column(points, |p| p.staleness_max_updates),
            evaluation_env_steps: evaluations(points, |one| one.env_steps),
            evaluation_wall_seconds: evaluations(points, |one| one.wall_seconds),
            evaluation_return_mean: evaluations(points, |one| one.return_mean),
            evaluation_return_std: evaluations(points, |one| one.return_std),
        }
    }
}

fn column<T>(points: &[ProgressPoint], value: impl Fn(&ProgressPoint) -> T) -> Vec<T> {
    points.iter().map(value).collect()
}

fn evaluations<T>(points: &[ProgressPoint], value: impl Fn(&Evaluation) -> T) -> Vec<Option<T>> {
    column(points, |point| point.evaluation.as_ref().map(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_came_later_is_absent_before() {
        let point = |env_steps, losses: &[(&str, f64)]| ProgressPoint {
            env_steps,
            losses: losses
                .iter()
                .filter_map(|(k, v)| Some(((*k).to_owned(), Finite::new(*v)?)))
                .collect(),
            ..ProgressPoint::default()
        };
        let points = Points::of(&[point(1, &[]), point(2, &[("value", 0.5)])]);
        assert_eq!(points.env_steps, [1, 2]);
        assert_eq!(points.losses["value"], [None, Finite::new(0.5)]);
    }
}
