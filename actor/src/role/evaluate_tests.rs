//! When a worker evaluates, and what it reports.

use std::sync::{Arc, Mutex};

use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{Evaluation, Report};
use troop_common::weights::Weights;

use super::evaluate::Evaluate;
use super::identity::Identity;
use crate::link::{Contribution, Link, LinkClosed, ReportLink};
use crate::metrics::ActorMetrics;

/// Env steps of the run between two looks of the worker, and in all.
const PACE: u64 = 60;
const END: u64 = 2_000;

/// Version of what the run ends with.
const LAST: u64 = 77_777;

/// A run that goes on whenever it is looked at.
struct Passing {
    parameters: Arc<Vec<f32>>,
    env_steps: u64,
    /// The last weights are there once they have been asked for so often.
    patience: u32,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Passing {
    fn at(&self, version: u64) -> Arc<Weights> {
        Arc::new(Weights {
            epoch: 3,
            version,
            env_steps: self.env_steps,
            parameters: Arc::clone(&self.parameters),
            target: None,
            observations: None,
        })
    }
}

impl Link for Passing {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.parameters = Arc::new(layout.initialize(7));
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        if self.env_steps >= END {
            return Err(LinkClosed::Finished("enough".into()));
        }
        self.env_steps += PACE;
        Ok(self.at(self.env_steps))
    }

    fn push(&mut self, _: &mut Contribution) -> Result<(), LinkClosed> {
        panic!("who evaluates has no gradients")
    }
}

impl ReportLink for Passing {
    fn report(&mut self, epoch: u64, report: &Report) -> Result<(), LinkClosed> {
        assert_eq!(epoch, 3);
        self.reports.lock().unwrap().push(report.clone());
        Ok(())
    }

    fn last_weights(&mut self) -> Result<Option<Arc<Weights>>, LinkClosed> {
        self.patience = self.patience.saturating_sub(1);
        Ok((self.patience == 0).then(|| self.at(LAST)))
    }
}

/// The evaluations of a run that looks like this, and how many of them took time.
fn evaluations(change: impl FnOnce(&mut Experiment)) -> (Vec<Evaluation>, u64) {
    let mut experiment = Experiment::default();
    experiment.environment.id = "CartPole-v1".into();
    experiment.experiment.evaluate.every_env_steps = 500;
    experiment.experiment.evaluate.episodes = 3;
    change(&mut experiment);
    let reports = Arc::new(Mutex::default());
    let link = Passing {
        parameters: Arc::default(),
        env_steps: 0,
        patience: 3,
        reports: Arc::clone(&reports),
    };
    let identity = Identity {
        seed: 5,
        index: 0,
        workers_here: 1,
    };
    let metrics = ActorMetrics::new().unwrap();
    Evaluate::new(&experiment, identity, Box::new(link), metrics.clone())
        .unwrap()
        .run()
        .unwrap();
    let reports = std::mem::take(&mut *reports.lock().unwrap());
    for report in &reports {
        let alone = Report {
            evaluation: report.evaluation,
            ..Report::default()
        };
        assert_eq!(*report, alone);
    }
    let found = reports.into_iter().filter_map(|report| report.evaluation);
    (
        found.collect(),
        metrics.evaluation_seconds.get_sample_count(),
    )
}

#[test]
fn it_evaluates_where_the_run_crosses_a_multiple_and_at_its_end() {
    let (found, timed) = evaluations(|_| ());
    assert_eq!(timed, found.len() as u64);
    let (last, others) = found.split_last().unwrap();
    assert_eq!(last.version, LAST);
    assert!(!others.is_empty());
    let crossed: Vec<u64> = others.iter().map(|one| one.env_steps / 500).collect();
    assert!(
        crossed.windows(2).all(|pair| pair[0] < pair[1]),
        "{crossed:?}"
    );
    for one in &found {
        assert_eq!(one.episodes, 3);
        // CartPole gives 1 for each step, and ends after 500.
        assert_eq!(one.return_mean, one.length_mean);
        assert!((5.0..=500.0).contains(&one.length_mean), "{one:?}");
        assert!(one.return_std >= 0.0);
    }
    for one in others {
        assert_eq!(
            one.version, one.env_steps,
            "the label is that of its weights"
        );
    }
}

#[test]
fn the_same_seed_and_weights_give_the_same_scores() {
    let first = |greedy| {
        let run = evaluations(|experiment| experiment.experiment.evaluate.greedy = greedy);
        let (found, _) = run;
        (found[0].return_mean, found[0].return_std)
    };
    assert_eq!(first(true), first(true));
    assert_eq!(first(false), first(false));
    assert_ne!(first(true), first(false));
}

#[test]
fn there_is_no_last_one_where_nobody_asks_for_it() {
    let (found, _) = evaluations(|experiment| experiment.experiment.evaluate.last_s = 0);
    assert!(found.iter().all(|one| one.version != LAST));
}

#[test]
fn a_last_one_that_takes_too_long_is_left_out() {
    let (found, _) = evaluations(|experiment| {
        experiment.environment.id = "MountainCar-v0".into();
        let evaluate = &mut experiment.experiment.evaluate;
        evaluate.every_env_steps = u64::MAX;
        evaluate.episodes = 10_000;
        evaluate.last_s = 1;
    });
    assert_eq!(found, []);
}
