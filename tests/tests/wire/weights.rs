//! Weights on their way to workers and to those who watch.

use std::collections::BTreeSet;

use troop_actor::link::Link;
use troop_common::experiment::{MethodSettings, NStepQSettings, TargetSync};
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{StatusRequest, WatchRequest};

use crate::raw_session::{RawSession, connect};
use crate::rig::{Learner, Peer, experiment, layout, runtime};

#[test]
fn the_target_comes_with_the_first_weights_and_changes_when_it_is_synchronised() {
    let mut experiment = experiment();
    experiment.method = MethodSettings::NStepQ(NStepQSettings {
        target_sync: TargetSync::Updates(3),
        ..NStepQSettings::default()
    });
    let learner = Learner::start(&experiment);
    let mut peer = Peer::open(&learner.url(), &layout(600_000));
    let first = peer.weights_from(0);
    assert_eq!(first.target.as_ref().unwrap().parameters, first.parameters);
    let mut taken = Vec::new();
    for k in 1..=7 {
        let weights = peer.link.weights().unwrap();
        peer.push(&weights, vec![1.0; 600_000]).unwrap();
        let target = peer.weights_from(k).target.clone().unwrap();
        let expected = first.parameters[0] - 0.5 * target.taken_at_version as f32;
        assert!((target.parameters[0] - expected).abs() < 1e-4);
        assert!((target.parameters[599_999] - first.parameters[599_999]).abs() < 4.0);
        taken.push(target.taken_at_version);
    }
    assert_eq!(taken, [0, 0, 3, 3, 3, 6, 6]);
}

#[test]
fn a_slow_reader_is_not_queued_for() {
    // 100 publishes of 4 MB would be 400 MB.
    const ELEMENTS: usize = 1_000_000;
    const UPDATES: u64 = 100;
    let learner = Learner::start(&experiment());
    let layout = layout(ELEMENTS);
    runtime().block_on(async {
        let mut slow = RawSession::open(&learner.url(), &layout).await;
        let url = learner.url();
        let worker = tokio::task::spawn_blocking(move || {
            let mut peer = Peer::open(&url, &crate::rig::layout(ELEMENTS));
            for _ in 0..UPDATES {
                let weights = peer.link.weights().unwrap();
                peer.push(&weights, vec![0.0; ELEMENTS]).unwrap();
            }
        });
        worker.await.unwrap();
        let mut versions = BTreeSet::new();
        while versions.last() != Some(&UPDATES) {
            if let Some(Down::Weights(chunk)) = slow.next().await.unwrap() {
                versions.insert(chunk.version);
            }
        }
        assert!(
            versions.len() < 10,
            "{} publishes were kept",
            versions.len()
        );
    });
}

#[test]
fn those_who_watch_see_weights_until_the_run_is_over() {
    let learner = Learner::start(&experiment());
    let mut peer = Peer::open(&learner.url(), &layout(600_000));
    let weights = peer.weights_from(0);
    runtime().block_on(async {
        let mut client = connect(&learner.url()).await;
        let mut stream = client.watch(WatchRequest {}).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap();
        let second = stream.message().await.unwrap().unwrap();
        assert_eq!((first.version, first.offset_elements), (0, 0));
        assert_eq!((second.version, second.offset_elements), (0, 524_288));
        tokio::task::block_in_place(|| peer.push(&weights, vec![1.0; 600_000])).unwrap();
        assert_eq!(stream.message().await.unwrap().unwrap().version, 1);
        learner.server.finish("enough".into());
        while stream.message().await.unwrap().is_some() {}
    });
}

#[test]
fn the_status_tells_version_progress_and_sessions() {
    let learner = Learner::start(&experiment());
    let mut peer = Peer::open(&learner.url(), &layout(4));
    let weights = peer.weights_from(0);
    peer.push(&weights, vec![1.0; 4]).unwrap();
    peer.weights_from(1);
    runtime().block_on(async {
        let mut client = connect(&learner.url()).await;
        let status = client.status(StatusRequest {}).await.unwrap().into_inner();
        assert_eq!((status.epoch, status.version), (1, 1));
        assert_eq!((status.env_steps, status.frames), (10, 10));
        assert_eq!(status.sessions.len(), 1);
        assert_eq!(status.sessions[0].worker, "test/0");
        assert!(status.sessions[0].peer.starts_with("127.0.0.1:"));
    });
}
