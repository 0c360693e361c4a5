//! What a worker does to its gradients before they leave it.

use std::sync::{Arc, Mutex};

use troop_common::experiment::{EnvironmentSettings, Experiment};
use troop_common::layout::Layout;
use troop_common::weights::Weights;

use crate::link::{Contribution, Link, LinkClosed};
use crate::metrics::ActorMetrics;
use crate::worker::Worker;

/// Takes this many gradients, all on the same weights.
const GRADIENTS: usize = 5;

type Gradients = Arc<Mutex<Vec<Vec<f32>>>>;

/// Keeps what is pushed.
#[derive(Default)]
struct Recorder {
    weights: Option<Arc<Weights>>,
    gradients: Gradients,
}

impl Link for Recorder {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.weights = Some(Arc::new(Weights {
            epoch: 1,
            version: 0,
            env_steps: 0,
            parameters: Arc::new(layout.initialize(7)),
            target: None,
        }));
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let finished = self.gradients.lock().unwrap().len() == GRADIENTS;
        match &self.weights {
            Some(weights) if !finished => Ok(Arc::clone(weights)),
            _ => Err(LinkClosed::Finished("enough".into())),
        }
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        let gradient = contribution.gradient.clone();
        self.gradients.lock().unwrap().push(gradient);
        Ok(())
    }
}

/// What a worker of `seed` pushes, and how often it clipped.
fn work(seed: u64, change: impl FnOnce(&mut Experiment)) -> (Vec<Vec<f32>>, u64) {
    let mut experiment = Experiment {
        environment: EnvironmentSettings {
            id: "CartPole-v1".into(),
            ..EnvironmentSettings::default()
        },
        ..Experiment::default()
    };
    change(&mut experiment);
    let recorder = Recorder::default();
    let gradients = Arc::clone(&recorder.gradients);
    let metrics = ActorMetrics::new().unwrap();
    Worker::new(&experiment, seed, Box::new(recorder), metrics.clone())
        .unwrap()
        .run()
        .unwrap();
    let gradients = std::mem::take(&mut *gradients.lock().unwrap());
    assert_eq!(gradients.len(), GRADIENTS);
    (gradients, metrics.gradients_clipped.get())
}

fn norm(gradient: &[f32]) -> f64 {
    let squares = gradient.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn gradients_are_clipped_to_the_actors_limit_and_only_above_it() {
    let (free, none) = work(1, |_| {});
    assert_eq!(none, 0);
    let norms: Vec<f64> = free.iter().map(|gradient| norm(gradient)).collect();
    let sorted = {
        let mut sorted = norms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    // Between two of them, so that some are clipped and some are not.
    let limit = (sorted[1] + sorted[2]) / 2.0;
    let (clipped, count) = work(1, |experiment| {
        experiment.actor.max_gradient_norm = Some(limit);
    });
    assert_eq!(count, 3, "{norms:?}");
    for ((free, clipped), norm) in free.iter().zip(&clipped).zip(norms) {
        if norm <= limit {
            assert_eq!(free, clipped);
        }
        for (free, clipped) in free.iter().zip(clipped) {
            let expected = f64::from(*free) * (limit / norm).min(1.0);
            assert!((f64::from(*clipped) - expected).abs() <= 1e-6 * expected.abs());
        }
    }
}

#[test]
fn neither_a_limit_out_of_reach_nor_a_delay_changes_a_bit() {
    let (plain, _) = work(2, |_| {});
    let (same, clipped) = work(2, |experiment| {
        experiment.actor.max_gradient_norm = Some(1e30);
        experiment.actor.push_delay_ms = 1;
    });
    assert_eq!(clipped, 0);
    assert_eq!(plain, same);
    assert_ne!(plain, work(3, |_| {}).0, "another seed");
}
