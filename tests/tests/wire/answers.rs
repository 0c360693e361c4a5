//! Answers that are whole only once newer weights have come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use troop_actor::link::{EndpointSettings, Interrupt, Link, LinkClosed};
use troop_common::experiment::SendWeights;
use troop_common::proto::v1::Verdict;
use troop_common::weights::Weights;

use crate::fake_learner::{FakeLearner, FakeSession};
use crate::rig::{Peer, endpoint, eventually, experiment, layout};

/// A fake learner whose sessions are sent weights after each gradient.
fn fake(gradients_in_flight: usize) -> FakeLearner {
    let mut experiment = experiment();
    experiment.wire.send_weights = SendWeights::AfterGradient;
    experiment.wire.gradients_in_flight = gradients_in_flight;
    FakeLearner::start(&experiment)
}

/// A worker that has pushed one gradient on weights of version 0, which the learner has got.
fn after_a_push(fake: &mut FakeLearner, settings: EndpointSettings) -> (Peer, FakeSession) {
    let mut peer = Peer::join_with(settings).unwrap();
    peer.link.open(&layout(3)).unwrap();
    let mut session = fake.session();
    session.publish(0);
    let weights = peer.link.weights().unwrap();
    peer.push(&weights, vec![1.0; 3]).unwrap();
    assert_eq!(session.gradient().unwrap().sequence, 1);
    (peer, session)
}

/// A thread that asks for the next weights.
type Asking = JoinHandle<Result<Arc<Weights>, LinkClosed>>;

fn ask(peer: Peer) -> Asking {
    std::thread::spawn(move || {
        // All of it, for its runtime must live.
        let mut peer = peer;
        peer.link.weights()
    })
}

/// What came of it; fails where nothing does.
fn outcome(asking: Asking) -> Result<Arc<Weights>, LinkClosed> {
    eventually(|| asking.is_finished().then_some(()));
    asking.join().unwrap()
}

#[test]
fn a_worker_goes_on_from_weights_that_its_gradient_is_part_of() {
    let mut fake = fake(1);
    let settings = endpoint(&fake.url());
    let (peer, session) = after_a_push(&mut fake, settings);
    let asking = ask(peer);
    session.answer_at(1, Verdict::Applied, 2);
    session.publish(1);
    session.publish(2);
    assert_eq!(outcome(asking).unwrap().version, 2);
}

#[test]
fn weights_may_come_before_their_acknowledgement() {
    let mut fake = fake(1);
    let settings = endpoint(&fake.url());
    let (mut peer, session) = after_a_push(&mut fake, settings);
    session.publish(1);
    let acknowledged = Arc::new(AtomicBool::new(false));
    let asking = std::thread::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        move || {
            let weights = peer.link.weights();
            assert!(acknowledged.load(Ordering::SeqCst), "it had to wait");
            weights
        }
    });
    acknowledged.store(true, Ordering::SeqCst);
    session.answer_at(1, Verdict::Applied, 1);
    assert_eq!(outcome(asking).unwrap().version, 1);
}

#[test]
fn a_refusal_without_newer_weights_does_not_hold_the_worker() {
    for verdict in [Verdict::Malformed, Verdict::NonFinite] {
        let mut fake = fake(1);
        let settings = endpoint(&fake.url());
        let (peer, session) = after_a_push(&mut fake, settings);
        session.answer_at(1, verdict, 0);
        assert_eq!(outcome(ask(peer)).unwrap().version, 0);
    }
}

#[test]
fn a_late_gradient_is_followed_by_one_on_the_weights_that_it_was_late_for() {
    let mut fake = fake(1);
    let settings = endpoint(&fake.url());
    let (peer, session) = after_a_push(&mut fake, settings);
    let asking = ask(peer);
    session.answer_at(1, Verdict::Late, 1);
    session.publish(1);
    assert_eq!(outcome(asking).unwrap().version, 1);
}

#[test]
fn a_worker_computes_on_the_last_weights_while_its_window_has_room() {
    let mut fake = fake(2);
    let settings = endpoint(&fake.url());
    let (mut peer, mut session) = after_a_push(&mut fake, settings);
    let weights = peer.link.weights().unwrap();
    assert_eq!(weights.version, 0);
    peer.push(&weights, vec![2.0; 3]).unwrap();
    assert_eq!(session.gradient().unwrap().sequence, 2);
    let asking = ask(peer);
    session.answer_at(1, Verdict::Applied, 1);
    session.publish(1);
    assert_eq!(outcome(asking).unwrap().version, 1);
}

#[test]
fn a_lost_connection_ends_the_wait_for_an_answer() {
    let mut fake = fake(1);
    let settings = endpoint(&fake.url());
    let (peer, session) = after_a_push(&mut fake, settings);
    let asking = ask(peer);
    session.answer_at(1, Verdict::Applied, 9);
    drop(session);
    let session = fake.session();
    session.publish(5);
    assert_eq!(outcome(asking).unwrap().version, 5);
}

#[test]
fn an_interrupt_ends_the_wait_for_an_answer() {
    let mut fake = fake(1);
    let interrupt = Interrupt::default();
    let settings = EndpointSettings {
        interrupt: interrupt.clone(),
        ..endpoint(&fake.url())
    };
    let (peer, session) = after_a_push(&mut fake, settings);
    let asking = ask(peer);
    interrupt.raise("interrupted");
    let interrupted = LinkClosed::Finished("interrupted".into());
    assert_eq!(outcome(asking), Err(interrupted));
    drop(session);
}
