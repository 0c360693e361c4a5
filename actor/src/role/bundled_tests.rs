//! What a worker does to its gradients before they leave it, and when it computes them.

use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{A3cSettings, EnvironmentSettings, Experiment};
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::weights::Weights;

use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{A3c, Behaviour, Decision, Loss, Method, Setting};
use crate::metrics::ActorMetrics;
use crate::model::{Network, Parameters};
use crate::segment::{Observed, Segment};
use crate::worker::{Identity, Worker};

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
            observations: None,
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
    let identity = Identity {
        seed,
        index: 0,
        workers_here: 1,
    };
    Worker::new(&experiment, identity, Box::new(recorder), metrics.clone())
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

/// Counts up the version with every look at the weights, and keeps what is pushed.
#[derive(Default)]
struct Ticking {
    layout: Vec<f32>,
    looks: u64,
    env_steps: u64,
    pushed: Arc<Mutex<Vec<(u64, v1::Report)>>>,
}

impl Link for Ticking {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.layout = layout.initialize(7);
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        if self.pushed.lock().unwrap().len() >= 6 {
            return Err(LinkClosed::Finished("enough".into()));
        }
        self.looks += 1;
        Ok(Arc::new(Weights {
            epoch: 1,
            version: self.looks,
            env_steps: self.env_steps,
            parameters: Arc::new(self.layout.clone()),
            target: None,
            observations: None,
        }))
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        let report = std::mem::take(&mut contribution.report);
        self.env_steps += report.env_steps;
        self.pushed
            .lock()
            .unwrap()
            .push((contribution.version, report));
        Ok(())
    }
}

/// What the worker told a method.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Loaded(Option<u64>),
    Acts(u64),
    Received,
    Loss(usize),
}

/// A3C that asks for no gradient after its first segment, and then for three, of which it refuses
/// the second.
struct Scripted {
    inner: A3c,
    segments: usize,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Scripted {
    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl Method for Scripted {
    fn network(&self) -> &Network {
        self.inner.network()
    }

    fn t_max(&self) -> usize {
        2
    }

    fn weights_loaded(&mut self, _: &Parameters, updates: Option<u64>) {
        self.note(Told::Loaded(updates));
    }

    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &tch::Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        if let Behaviour::Explore { frames } = behaviour {
            self.note(Told::Acts(frames));
        }
        self.inner.act(online, observed, memory, behaviour)
    }

    fn receive(&mut self, _: &Parameters, segment: &Segment) -> usize {
        assert_eq!(segment.len(), 6);
        self.note(Told::Received);
        self.segments += 1;
        if self.segments == 1 { 0 } else { 3 }
    }

    fn loss(
        &mut self,
        online: &Parameters,
        target: Option<&Parameters>,
        segment: &Segment,
        index: usize,
    ) -> Option<Loss> {
        self.note(Told::Loss(index));
        let loss = self.inner.loss(online, target, segment, index);
        loss.filter(|_| index != 1)
    }
}

#[test]
fn a_method_says_how_many_gradients_follow_a_segment() {
    let mut experiment = Experiment::default();
    experiment.environment.envs_per_worker = 3;
    let environment = crate::environment::make(&experiment.environment).unwrap();
    let setting = Setting {
        experiment: &experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: ChaCha8Rng::seed_from_u64(1),
    };
    let told = Arc::default();
    let method = Scripted {
        inner: A3c::new(&A3cSettings::default(), setting).unwrap(),
        segments: 0,
        told: Arc::clone(&told),
    };
    let link = Ticking::default();
    let pushed = Arc::clone(&link.pushed);
    let metrics = ActorMetrics::new().unwrap();
    Worker::of_parts(
        &experiment,
        environment,
        Box::new(method),
        1,
        Box::new(link),
        metrics.clone(),
    )
    .unwrap()
    .run()
    .unwrap();
    use Told::{Acts, Loaded, Loss, Received};
    let first = [
        Loaded(None),
        Acts(0),
        Acts(0),
        Received, // none follows
        Loaded(Some(1)),
        Acts(6),
        Acts(6),
        Received,
        Loss(0),
        Loaded(Some(1)),
        Loss(1), // refused
        Loaded(Some(1)),
        Loss(2),
        Loaded(Some(1)),
        Acts(12),
        Acts(12),
        Received,
        Loss(0),
    ];
    assert_eq!(told.lock().unwrap()[..first.len()], first);
    assert_eq!(metrics.gradients_withheld.get(), 3);
    let pushed = pushed.lock().unwrap();
    let reported: Vec<(u64, u64)> = pushed
        .iter()
        .map(|(version, report)| (*version, report.env_steps))
        .collect();
    // Both segments' steps travel with the first gradient; each is of the weights it was made with.
    assert_eq!(reported, [(2, 12), (4, 0), (5, 6), (7, 0), (8, 6), (10, 0)]);
    assert!(pushed.iter().all(|(_, report)| !report.losses.is_empty()));
}
