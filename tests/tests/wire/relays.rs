//! Workers that share a session: their gradients are summed before they are sent.

use troop_actor::link::{Contribution, GrpcLink, Link};
use troop_common::experiment::{Experiment, StalenessPolicy};
use troop_common::proto::v1::Report;

use crate::rig::{Learner, Peer, RATE, eventually, experiment, layout};

/// A power of two, so that means are exact.
const WORKERS: usize = 4;

const ELEMENTS: usize = 2;

fn relayed() -> Experiment {
    let mut experiment = experiment();
    experiment.actor.relay_workers = WORKERS;
    experiment
}

/// The workers of one session.
struct Session {
    others: Vec<GrpcLink>,
    /// Whose runtime all use, so that it goes last.
    first: Peer,
}

impl Session {
    fn open(learner: &Learner, workers: usize) -> Self {
        let layout = layout(ELEMENTS);
        let first = Peer::open(&learner.url(), &layout);
        let mut others: Vec<_> = (1..workers).map(|_| first.link.beside()).collect();
        for link in &mut others {
            link.open(&layout).unwrap();
        }
        Self { others, first }
    }

    /// A gradient of each worker.
    fn push(&mut self, gradients: &[[f32; ELEMENTS]]) {
        let links = std::iter::once(&mut self.first.link).chain(&mut self.others);
        for (link, gradient) in links.zip(gradients) {
            push(link, *gradient);
        }
    }
}

/// Sends a gradient that is computed on the newest weights.
fn push(link: &mut GrpcLink, gradient: [f32; ELEMENTS]) {
    let weights = link.weights().unwrap();
    let mut contribution = Contribution {
        epoch: weights.epoch,
        version: weights.version,
        gradient: gradient.to_vec(),
        report: Report {
            env_steps: 10,
            frames: 10,
            ..Report::default()
        },
    };
    link.push(&mut contribution).unwrap();
}

/// Waits until so many updates are applied; gives how far the parameters have moved since `before`.
fn moved(learner: &Learner, updates: u64, before: &[f32]) -> Vec<f32> {
    eventually(|| (learner.server.version() == updates).then_some(()));
    let parameters = learner.parameters();
    let pairs = parameters.iter().zip(before);
    pairs.map(|(now, before)| now - before).collect()
}

/// Gradients and env steps that the run counts.
fn counted(learner: &Learner) -> (u64, u64) {
    let counters = learner.server.progress().counters;
    (counters.gradients_applied, counters.env_steps)
}

/// A learner, and its first parameters.
fn begin(experiment: &Experiment) -> (Learner, Vec<f32>) {
    let learner = Learner::start(experiment);
    drop(Session::open(&learner, 1));
    let before = learner.parameters();
    (learner, before)
}

fn is_about(found: &[f32], expected: &[f32]) {
    let pairs = found.iter().zip(expected);
    let near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-5;
    assert!(pairs.into_iter().all(near), "{found:?}, not {expected:?}");
}

#[test]
fn a_sum_moves_the_parameters_as_its_gradients_would_and_counts_as_many() {
    let (learner, before) = begin(&relayed());
    let mut session = Session::open(&learner, WORKERS);
    session.push(&[[1.0, 2.0], [0.5, 2.0], [-2.0, 0.0]]);
    push(session.others.last_mut().unwrap(), [8.0, 1.0]);
    let moved = moved(&learner, 1, &before);
    is_about(&moved, &[-RATE * 7.5, -RATE * 5.0]);
    assert_eq!(counted(&learner), (4, 40));
    let view = learner.server.sessions();
    assert_eq!((view.len(), view[0].gradients_applied), (1, 4));
}

#[test]
fn the_mean_of_a_sum_is_what_is_clipped() {
    let mut experiment = relayed();
    experiment.optimizer.max_gradient_norm = Some(1.0);
    let (learner, before) = begin(&experiment);
    Session::open(&learner, WORKERS).push(&[[2.0, 0.0]; WORKERS]);
    is_about(&moved(&learner, 1, &before), &[-RATE * 4.0, 0.0]);
}

#[test]
fn whoever_leaves_is_not_waited_for_and_takes_nothing_along() {
    let (learner, before) = begin(&relayed());
    let mut session = Session::open(&learner, 3);
    session.push(&[[1.0, 0.0]]);
    let mut leaves = session.others.remove(0);
    push(&mut leaves, [1.0, 0.0]);
    drop(leaves);
    is_about(&moved(&learner, 1, &before), &[-RATE * 2.0, 0.0]);
    session.push(&[[1.0, 0.0]; 2]);
    is_about(&moved(&learner, 2, &before), &[-RATE * 4.0, 0.0]);
    session.push(&[[1.0, 0.0]]);
    drop(session);
    is_about(&moved(&learner, 3, &before), &[-RATE * 5.0, 0.0]);
    assert_eq!(counted(&learner), (5, 50));
}

#[test]
fn a_gradient_that_is_not_finite_is_refused_alone() {
    let (learner, before) = begin(&relayed());
    let mut session = Session::open(&learner, 2);
    session.push(&[[1.0, 0.0]]);
    push(&mut session.others[0], [f32::NAN, 0.0]);
    push(&mut session.others[0], [1.0, 0.0]);
    is_about(&moved(&learner, 1, &before), &[-RATE * 2.0, 0.0]);
    let counters = learner.server.progress().counters;
    assert_eq!(counters.rejected["non_finite"], 1);
    assert_eq!(counted(&learner), (2, 30), "its steps were made");
}

#[test]
fn a_round_is_the_mean_over_all_workers_whoever_they_share_a_session_with() {
    let mut experiment = relayed();
    experiment.learner.staleness = StalenessPolicy::Synchronous;
    experiment.learner.synchronous_workers = 2;
    let (learner, before) = begin(&experiment);
    let (mut three, mut one) = (Session::open(&learner, 3), Session::open(&learner, 1));
    three.push(&[[1.0, 0.0], [2.0, 0.0], [3.0, 4.0]]);
    one.push(&[[2.0, 8.0]]);
    is_about(&moved(&learner, 1, &before), &[-RATE * 2.0, -RATE * 3.0]);
    assert_eq!(counted(&learner), (4, 40));
}
