//! What a worker does to its gradients before they leave it, and when it computes them.

use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState, Segment};
use troop_common::experiment::{
    A3cSettings, EnvironmentSettings, Experiment, MethodSettings, PpoSettings,
};
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::weights::Weights;

use super::bundled::Bundled;
use super::identity::Identity;
use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{
    self, Advice, Batch, Behaviour, Decision, ExperienceSink, ExperienceSource, Loss, MethodParts,
    Networks, Objective, ObjectiveError, Purpose, Setting,
};
use crate::metrics::ActorMetrics;
use crate::nn::Model;

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
    Bundled::new(&experiment, identity, Box::new(recorder), metrics.clone())
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
    /// Whether each look at the weights finds all of them negated.
    flips: bool,
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
        if self.flips {
            self.layout.iter_mut().for_each(|value| *value = -*value);
        }
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

/// What the worker told a method's parts.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Loaded(Option<u64>),
    Acts(u64),
    Received,
    Loss(usize),
}

/// Notes what a part of a method is told, in the order of all of them.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Told>>>);

impl Notes {
    fn note(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }
}

/// Acts as another, and notes when.
struct NotedBehaviour(Box<dyn Behaviour>, Notes);

impl Behaviour for NotedBehaviour {
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision {
        if let Purpose::Explore { frames } = purpose {
            self.1.note(Told::Acts(frames));
        }
        self.0.act(online, shown, state, purpose, rng)
    }
}

/// Gives nothing after its first segment, and then each three times, fresh and twice replayed.
struct Scripted {
    segment: Option<Segment>,
    segments: usize,
    given: usize,
    notes: Notes,
}

impl ExperienceSink for Scripted {
    fn append(&mut self, segment: &mut Segment) {
        assert_eq!(segment.len(), 6);
        self.notes.note(Told::Received);
        self.segments += 1;
        self.given = if self.segments == 1 { 3 } else { 0 };
        self.segment = Some(segment.clone());
    }
}

impl ExperienceSource for Scripted {
    fn next(&mut self, _: u64, _: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        self.given += 1;
        let segment = self.segment.as_ref().filter(|_| self.given <= 3)?;
        Some(match self.given {
            1 => Batch::Fresh(segment),
            _ => Batch::Replayed(segment),
        })
    }

    fn leave_rest(&mut self) {
        self.given = 3;
    }
}

/// Another's losses, of which it withholds each second one of three.
struct NotedObjective {
    inner: Box<dyn Objective>,
    losses: usize,
    notes: Notes,
}

impl Objective for NotedObjective {
    fn weights_loaded(&mut self, _: &[f32], updates: Option<u64>) {
        self.notes.note(Told::Loaded(updates));
    }

    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let index = self.losses % 3;
        self.notes.note(Told::Loss(index));
        self.losses += 1;
        let loss = self.inner.loss(networks, batch, rng)?;
        Ok(Loss {
            advice: match index {
                1 => Advice::Withhold,
                _ => Advice::Learn,
            },
            ..loss
        })
    }
}

/// A3C's parts, which note what they are told.
fn noted(parts: MethodParts, notes: &Notes) -> MethodParts {
    MethodParts {
        behaviour: Box::new(NotedBehaviour(parts.behaviour, notes.clone())),
        objective: Box::new(NotedObjective {
            inner: parts.objective,
            losses: 0,
            notes: notes.clone(),
        }),
        experience: Box::new(Scripted {
            segment: None,
            segments: 0,
            given: 3,
            notes: notes.clone(),
        }),
        ..parts
    }
}

#[test]
fn experience_says_how_many_gradients_follow_a_segment() {
    let mut experiment = Experiment {
        method: MethodSettings::A3c(A3cSettings {
            t_max: 2,
            ..A3cSettings::default()
        }),
        ..Experiment::default()
    };
    experiment.environment.envs_per_worker = 3;
    let environment = crate::environment::make(&experiment.environment).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let parts = method::make(&mut Setting {
        experiment: &experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: &mut rng,
    });
    let notes = Notes::default();
    let parts = noted(parts.unwrap(), &notes);
    let link = Ticking::default();
    let pushed = Arc::clone(&link.pushed);
    let metrics = ActorMetrics::new().unwrap();
    Bundled::of_parts(
        &experiment,
        (environment, parts, rng),
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
        Loss(1), // withheld
        Loaded(Some(1)),
        Loss(2),
        Loaded(Some(1)),
        Acts(12),
        Acts(12),
        Received,
        Loss(0),
    ];
    assert_eq!(notes.0.lock().unwrap()[..first.len()], first);
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

/// What a worker with PPO tells of its first gradients, by the version of their weights: env steps. The segment, 6 steps of 4
/// environments, has 2 epochs of 3 minibatches.
fn ppo_reports(flips: bool, max_kl: Option<f64>) -> (Vec<(u64, u64)>, ActorMetrics) {
    let mut experiment = Experiment {
        method: MethodSettings::Ppo(PpoSettings {
            t_max: 6,
            epochs: 2,
            minibatches: 3,
            max_kl,
            ..PpoSettings::default()
        }),
        ..Experiment::default()
    };
    experiment.environment.envs_per_worker = 4;
    let link = Ticking {
        flips,
        ..Ticking::default()
    };
    let pushed = Arc::clone(&link.pushed);
    let metrics = ActorMetrics::new().unwrap();
    let identity = Identity {
        seed: 1,
        index: 0,
        workers_here: 1,
    };
    let worker = Bundled::new(&experiment, identity, Box::new(link), metrics.clone());
    worker.unwrap().run().unwrap();
    let pushed = pushed.lock().unwrap();
    let told = pushed
        .iter()
        .map(|(version, report)| (*version, report.env_steps));
    (told.collect(), metrics)
}

/// Version 1 acts, and each gradient is computed on newer weights. Each step is told of once and learnt from once an epoch.
#[test]
fn parts_of_a_segment_are_computed_on_the_newest_weights_and_told_of_once() {
    let (told, metrics) = ppo_reports(false, None);
    assert_eq!(told, [(2, 24), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0)]);
    assert_eq!(
        (metrics.env_steps.get(), metrics.segments_left.get()),
        (24, 0)
    );
}

/// Each second minibatch finds the policy too far away: the worker acts on, and its next gradient is that of another
/// segment.
#[test]
fn a_segment_that_is_left_is_followed_by_another_one() {
    let (told, metrics) = ppo_reports(true, Some(1e-9));
    assert_eq!(
        told,
        [(2, 24), (5, 24), (8, 24), (11, 24), (14, 24), (17, 24)]
    );
    // The run ended while the sixth was left.
    let counted = (metrics.env_steps.get(), metrics.segments_left.get());
    assert_eq!(counted, (6 * 24, 5));
    assert_eq!(metrics.gradients_withheld.get(), 0);
}
