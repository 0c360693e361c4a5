//! How a run and its service end.

use troop_actor::link::{Link, LinkClosed};
use troop_common::call_error::CallError;
use troop_common::proto::v1::{ControlKind, Verdict};

use crate::raw_session::{RawSession, connect, gradient, join_request};
use crate::rig::{Learner, Peer, eventually, experiment, layout, runtime};

#[test]
fn a_finished_run_stops_its_workers_and_its_service() {
    let mut experiment = experiment();
    experiment.experiment.total_env_steps = 30;
    let learner = Learner::start(&experiment);
    let mut peer = Peer::open(&learner.url(), &layout(3));
    let closed = eventually(|| {
        let weights = match peer.link.weights() {
            Ok(weights) => weights,
            Err(closed) => return Some(closed),
        };
        peer.push(&weights, vec![1.0; 3]).err()
    });
    assert!(matches!(&closed, LinkClosed::Finished(reason) if reason.contains("30 env steps")));
    assert_eq!(learner.server.progress().counters.env_steps, 30);
    let server = std::sync::Arc::clone(&learner.server);
    learner.ended();
    assert!(server.sessions().is_empty());
}

#[test]
fn sessions_are_told_to_stop_and_late_gradients_are_refused() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut session = RawSession::open(&learner.url(), &layout(3)).await;
        learner.server.finish("enough".into());
        let control = session.control().await;
        assert_eq!(
            (control.kind(), control.reason.as_str()),
            (ControlKind::Stop, "enough")
        );
        session.send(gradient(1, 0, &[1.0; 3])).await;
        let answer = session.answer().await;
        assert_eq!(
            (answer.verdict(), answer.detail.as_str()),
            (Verdict::Closed, "enough")
        );
        let status = connect(&learner.url())
            .await
            .join(join_request())
            .await
            .unwrap_err();
        assert_eq!(CallError::of(&status), Some(CallError::Finished));
    });
    assert_eq!(learner.server.version(), 0);
    learner.ended();
}

#[test]
fn a_draining_learner_says_so_and_ends_even_where_a_session_stays() {
    let mut experiment = experiment();
    experiment.learner.drain_timeout_ms = 3_000;
    let learner = Learner::start(&experiment);
    let runtime = runtime();
    let mut session = runtime.block_on(RawSession::open(&learner.url(), &layout(3)));
    learner.server.drain("maintenance".into());
    let control = runtime.block_on(session.control());
    assert_eq!(control.kind(), ControlKind::Drain);
    assert_eq!(control.reason, "maintenance");
    runtime.block_on(async {
        let status = connect(&learner.url())
            .await
            .join(join_request())
            .await
            .unwrap_err();
        assert_eq!(CallError::of(&status), Some(CallError::Draining));
    });
    // The session neither leaves nor reads.
    learner.ended();
    drop(session);
}

#[test]
fn a_worker_that_joins_when_the_run_is_over_is_told_so() {
    let learner = Learner::start(&experiment());
    // Somebody is still there, so that the service goes on for a moment.
    let runtime = runtime();
    let _session = runtime.block_on(RawSession::open(&learner.url(), &layout(3)));
    learner.server.finish("enough".into());
    let Err(closed) = Peer::join(&learner.url()) else {
        panic!("the run is over");
    };
    assert_eq!(closed, LinkClosed::Finished("enough".into()));
}
