//! Learners that go away, and come back.

use troop_actor::link::{Link, LinkClosed};
use troop_common::experiment::Experiment;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::run_directory::RunDirectory;
use troop_learner::run_keeper::RunKeeper;

use crate::rig::{Learner, Peer, eventually, experiment, layout};

fn server(experiment: &Experiment) -> ParameterServer {
    ParameterServer::new(experiment.clone(), Metrics::new().unwrap())
}

/// Pushes until the learner is at `version`.
fn train(peer: &mut Peer, version: u64) {
    let weights = peer.link.weights().unwrap();
    for k in weights.version..version {
        let weights = peer.weights_from(k);
        peer.push(&weights, vec![1.0; 3]).unwrap();
    }
    peer.weights_from(version);
}

#[test]
fn a_killed_learner_is_found_again_in_its_next_life_at_its_last_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let experiment = experiment();
    let directory = RunDirectory::create(&path, &experiment).unwrap();
    let learner = Learner::start(&experiment);
    let address = learner.address;
    let mut peer = Peer::open(&learner.url(), &layout(3));
    train(&mut peer, 5);
    let keeper = RunKeeper::new(std::sync::Arc::clone(&learner.server), directory).unwrap();
    keeper.close().unwrap();
    let saved = learner.parameters();
    train(&mut peer, 8);
    learner.kill();

    let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
    let checkpoint = resumed.checkpoint;
    let metrics = Metrics::new().unwrap();
    let server = ParameterServer::in_life(resumed.experiment, metrics, resumed.epoch, checkpoint);
    let learner = Learner::serve(server.unwrap(), address, None);
    // Weights of the first life may be handed out until the loss is seen, then none but the
    // second's.
    let weights = eventually(|| {
        let weights = peer.link.weights().unwrap();
        (weights.epoch == 2).then_some(weights)
    });
    assert_eq!((weights.version, weights.env_steps), (5, 50));
    assert_eq!(*weights.parameters, saved);
    train(&mut peer, 10);
    let counters = learner.server.progress().counters;
    assert_eq!((counters.updates, counters.env_steps), (10, 100));
    assert!(counters.rejected.is_empty(), "{:?}", counters.rejected);
}

#[test]
fn a_draining_learner_is_waited_for() {
    let experiment = experiment();
    let learner = Learner::start(&experiment);
    let address = learner.address;
    let mut peer = Peer::open(&learner.url(), &layout(3));
    train(&mut peer, 3);
    let checkpoint = learner.server.checkpoint().unwrap();
    learner.server.drain("maintenance".into());
    learner.ended();

    let server = ParameterServer::resume(experiment, Metrics::new().unwrap(), checkpoint);
    let learner = Learner::serve(server.unwrap(), address, None);
    eventually(|| (peer.link.weights().unwrap().epoch == 2).then_some(()));
    train(&mut peer, 6);
    assert_eq!(learner.server.version(), 6);
}

#[test]
fn another_experiment_at_the_same_address_is_not_joined() {
    let learner = Learner::start(&experiment());
    let address = learner.address;
    let mut peer = Peer::open(&learner.url(), &layout(3));
    learner.kill();
    let mut other = experiment();
    other.experiment.seed += 1;
    let _learner = Learner::serve(server(&other), address, None);
    let error = eventually(|| peer.link.weights().err());
    let LinkClosed::Failed(error) = error else {
        panic!("the run is not over");
    };
    assert!(error.contains("`experiment.seed`"), "{error}");
}

#[test]
fn the_same_experiment_with_another_layout_is_not_joined() {
    let learner = Learner::start(&experiment());
    let address = learner.address;
    let mut peer = Peer::open(&learner.url(), &layout(3));
    learner.kill();
    let server = server(&experiment());
    let first = server.join("other".into(), "other".into()).unwrap();
    server.open(first.session, layout(4)).unwrap();
    let _learner = Learner::serve(server, address, None);
    let error = eventually(|| peer.link.weights().err());
    assert!(error.to_string().contains("fingerprint"), "{error}");
}
