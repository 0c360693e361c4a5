//! Gradients that arrive and are applied.

use troop_actor::link::Link;
use troop_common::experiment::WireEncoding;
use troop_learner::SessionView;

use crate::rig::{Learner, Peer, RATE, eventually, experiment, layout};

/// Numbers that bf16 keeps.
fn gradient(elements: usize, k: usize) -> Vec<f32> {
    (0..elements)
        .map(|i| ((i * 7 + k * 3) % 32) as f32 - 16.0)
        .collect()
}

fn step(parameters: &mut [f32], gradient: &[f32]) {
    parameters
        .iter_mut()
        .zip(gradient)
        .for_each(|(p, g)| *p -= RATE * g);
}

/// Pushes gradients one after the other, each on the weights that the last one made.
fn check_exact(elements: usize, gradients: WireEncoding) {
    let mut experiment = experiment();
    experiment.wire.gradients = gradients;
    let learner = Learner::start(&experiment);
    let layout = layout(elements);
    let mut peer = Peer::open(&learner.url(), &layout);
    let mut expected = layout.initialize(experiment.experiment.seed);
    assert_eq!(*peer.weights_from(0).parameters, expected);
    for k in 1..=5 {
        let weights = peer.weights_from(k - 1);
        let gradient = gradient(elements, k as usize);
        step(&mut expected, &gradient);
        peer.push(&weights, gradient).unwrap();
        let weights = peer.weights_from(k);
        assert_eq!((weights.version, weights.env_steps), (k, 10 * k));
        assert!(
            *weights.parameters == expected,
            "weights differ after update {k}"
        );
    }
    assert!(learner.parameters() == expected);
    let progress = learner.server.progress();
    assert_eq!(
        (progress.counters.updates, progress.staleness_updates.max),
        (5, 0)
    );
}

#[test]
fn small_vectors_are_applied_exactly_and_come_back() {
    check_exact(5, WireEncoding::F32);
}

#[test]
fn vectors_of_several_chunks_are_applied_exactly_and_come_back() {
    check_exact(1_300_000, WireEncoding::F32);
}

#[test]
fn bf16_halves_the_bytes_and_keeps_what_it_can() {
    check_exact(1_100_000, WireEncoding::Bf16);
}

#[test]
fn weights_in_bf16_are_rounded_and_the_parameters_are_not() {
    let mut experiment = experiment();
    experiment.wire.weights = WireEncoding::Bf16;
    let learner = Learner::start(&experiment);
    let layout = layout(1000);
    let mut peer = Peer::open(&learner.url(), &layout);
    let weights = peer.link.weights().unwrap();
    let exact = layout.initialize(experiment.experiment.seed);
    assert_ne!(*weights.parameters, exact);
    for (rounded, exact) in weights.parameters.iter().zip(&exact) {
        assert!((rounded - exact).abs() <= exact.abs() / 256.0);
    }
    assert_eq!(learner.parameters(), exact);
}

#[test]
fn two_sessions_move_the_same_parameters() {
    let learner = Learner::start(&experiment());
    let layout = layout(3);
    let mut first = Peer::open(&learner.url(), &layout);
    let mut second = Peer::open(&learner.url(), &layout);
    assert_eq!((first.info.worker_index, second.info.worker_index), (0, 1));
    let start = first.weights_from(0);
    for (peer, value) in [(&mut first, 1.0), (&mut second, 2.0)] {
        for _ in 0..10 {
            let weights = peer.link.weights().unwrap();
            peer.push(&weights, vec![value; 3]).unwrap();
        }
    }
    for peer in [&mut first, &mut second] {
        let weights = peer.weights_from(20);
        let moved = |(now, then): (&f32, &f32)| (then - now - 15.0).abs() < 1e-4;
        assert!(
            weights
                .parameters
                .iter()
                .zip(start.parameters.iter())
                .all(moved)
        );
    }
    // The last weights may be here before the session's own counters are.
    eventually(|| {
        let sessions = learner.server.sessions();
        let done = |it: &SessionView| it.gradients_applied == 10 && it.env_steps == 100;
        (sessions.len() == 2 && sessions.iter().all(done)).then_some(())
    });
}

#[test]
fn a_link_that_is_dropped_has_its_last_gradients_applied_and_its_session_ended() {
    let learner = Learner::start(&experiment());
    let mut peer = Peer::open(&learner.url(), &layout(3));
    let weights = peer.weights_from(0);
    peer.push(&weights, vec![1.0; 3]).unwrap();
    drop(peer);
    eventually(|| learner.server.sessions().is_empty().then_some(()));
    assert_eq!(learner.server.version(), 1);
}

#[test]
fn bytes_are_counted() {
    let learner = Learner::start(&experiment());
    let mut peer = Peer::open(&learner.url(), &layout(100));
    let weights = peer.weights_from(0);
    peer.push(&weights, vec![1.0; 100]).unwrap();
    peer.weights_from(1);
    let metrics = learner.server.metrics();
    assert_eq!(metrics.received_bytes.get(), 400);
    assert_eq!(metrics.sent_bytes.get(), 800);
    assert_eq!(metrics.queue_wait.get_sample_count(), 1);
}
