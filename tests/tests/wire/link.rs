//! What a link promises its worker, whatever the learner does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use troop_actor::link::{EndpointSettings, Interrupt, Link, LinkClosed};
use troop_common::experiment::ActorSettings;
use troop_common::proto::v1::Verdict;

use crate::fake_learner::FakeLearner;
use crate::rig::{Peer, endpoint, eventually, experiment, layout};

/// A peer whose session the test answers.
fn pair(
    fake: &mut FakeLearner,
    settings: EndpointSettings,
) -> (Peer, crate::fake_learner::FakeSession) {
    let mut peer = Peer::join_with(settings).unwrap();
    peer.link.open(&layout(3)).unwrap();
    (peer, fake.session())
}

#[test]
fn pushing_waits_while_too_many_gradients_are_unanswered() {
    let mut experiment = experiment();
    experiment.wire.gradients_in_flight = 2;
    let mut fake = FakeLearner::start(&experiment);
    let settings = endpoint(&fake.url());
    let (mut peer, mut session) = pair(&mut fake, settings);
    session.publish(0);
    let answered = Arc::new(AtomicBool::new(false));
    let worker = std::thread::spawn({
        let answered = Arc::clone(&answered);
        move || {
            let weights = peer.weights_from(0);
            for k in 0..3 {
                peer.push(&weights, vec![k as f32; 3]).unwrap();
            }
            assert!(answered.load(Ordering::SeqCst), "the third had to wait");
            peer
        }
    });
    assert_eq!(session.gradient().unwrap().sequence, 1);
    assert_eq!(session.gradient().unwrap().sequence, 2);
    answered.store(true, Ordering::SeqCst);
    session.answer(1, Verdict::Applied);
    assert_eq!(session.gradient().unwrap().sequence, 3);
    // Leaving waits for the last answers.
    let peer = worker.join().unwrap();
    session.answer(2, Verdict::Stale);
    session.answer(3, Verdict::Applied);
    let end = std::thread::spawn(move || session.gradient());
    drop(peer);
    assert!(end.join().unwrap().is_none());
}

#[test]
fn what_was_not_answered_is_dropped_when_the_connection_is_lost() {
    let mut fake = FakeLearner::start(&experiment());
    let settings = endpoint(&fake.url());
    let (mut peer, mut session) = pair(&mut fake, settings);
    session.publish(10);
    let weights = peer.weights_from(10);
    peer.push(&weights, vec![1.0; 3]).unwrap();
    assert_eq!(session.gradient().unwrap().version, 10);
    peer.push(&weights, vec![2.0; 3]).unwrap();
    drop(session);

    let mut session = fake.session();
    // Computed on weights of the lost connection.
    peer.push(&weights, vec![3.0; 3]).unwrap();
    session.publish(20);
    let weights = peer.weights_from(0);
    assert_eq!(weights.version, 20, "the old weights are gone");
    peer.push(&weights, vec![4.0; 3]).unwrap();
    let first = session.gradient().unwrap();
    assert_eq!((first.sequence, first.version), (1, 20));
}

#[test]
fn weights_of_an_older_epoch_are_never_handed_out() {
    let mut experiment = experiment();
    experiment.actor.give_up_after_s = 1;
    let mut fake = FakeLearner::start(&experiment);
    fake.epoch.store(3, Ordering::Relaxed);
    let settings = endpoint(&fake.url());
    let (mut peer, session) = pair(&mut fake, settings);
    session.publish(1);
    assert_eq!(peer.weights_from(0).epoch, 3);
    fake.epoch.store(2, Ordering::Relaxed);
    drop(session);
    // Until the loss is seen the last weights are still good.
    let error = eventually(|| peer.link.weights().err());
    let LinkClosed::Failed(error) = error else {
        panic!("the run is not over");
    };
    assert!(
        error.contains("epoch 2") && error.contains("epoch 3"),
        "{error}"
    );
}

#[test]
fn weights_that_do_not_belong_to_the_session_end_the_link() {
    let mut fake = FakeLearner::start(&experiment());
    let settings = endpoint(&fake.url());
    let (mut peer, session) = pair(&mut fake, settings);
    session.publish_in(7, 1);
    let error = peer.link.weights().unwrap_err();
    assert!(error.to_string().contains("epoch 7"), "{error}");
}

/// An address that nobody listens on: it was free a moment ago.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_learner_that_is_not_there_is_given_up_after_the_configured_time() {
    let url = nobody();
    let actor = ActorSettings {
        give_up_after_s: 1,
        ..crate::rig::actor_settings()
    };
    let settings = EndpointSettings {
        actor,
        ..endpoint(&url)
    };
    let Err(LinkClosed::Failed(error)) = Peer::join_with(settings) else {
        panic!("nobody is there");
    };
    for part in [&url, "1 s", "actor.give_up_after_s", "refused"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_address_that_cannot_be_one_fails_at_once() {
    for (url, reason) in [
        ("ftp://127.0.0.1:1", "does not start with http://"),
        ("https://127.0.0.1:1", "needs --tls-ca"),
    ] {
        let Err(LinkClosed::Failed(error)) = Peer::join(url) else {
            panic!("{url} cannot be used");
        };
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn an_interrupt_lets_the_last_gradient_out_and_ends_the_link() {
    let mut fake = FakeLearner::start(&experiment());
    let interrupt = Interrupt::default();
    let settings = EndpointSettings {
        interrupt: interrupt.clone(),
        ..endpoint(&fake.url())
    };
    let (mut peer, mut session) = pair(&mut fake, settings.clone());
    session.publish(1);
    let weights = peer.weights_from(0);
    interrupt.raise("interrupted");
    peer.push(&weights, vec![1.0; 3]).unwrap();
    assert_eq!(session.gradient().unwrap().sequence, 1);
    let interrupted = LinkClosed::Finished("interrupted".into());
    assert_eq!(peer.link.weights().unwrap_err(), interrupted);
    // Nor does anybody join any more.
    assert_eq!(Peer::join_with(settings).err(), Some(interrupted));
}

#[test]
fn an_interrupt_ends_the_search_for_a_learner() {
    let settings = endpoint(&nobody());
    let interrupt = settings.interrupt.clone();
    let search = std::thread::spawn(move || Peer::join_with(settings).err());
    interrupt.raise("interrupted");
    let interrupted = LinkClosed::Finished("interrupted".into());
    assert_eq!(search.join().unwrap(), Some(interrupted));
}
