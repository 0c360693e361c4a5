//! Turns: a worker is answered when it may begin another gradient, and whoever sends nothing finite ends.

use tonic::Code;
use troop_common::call_error::CallError;
use troop_common::experiment::StalenessPolicy;
use troop_common::proto::v1::Verdict;
use troop_common::proto::v1::train_response::Kind as Down;

use crate::raw_session::{RawSession, gradient};
use crate::rig::{Learner, eventually, experiment, layout, runtime};

#[test]
fn with_a_bound_an_answer_comes_with_the_turn_and_names_its_weights() {
    let mut experiment = experiment();
    experiment.learner.staleness = StalenessPolicy::Bound;
    experiment.learner.bound_updates = 0;
    let learner = Learner::start(&experiment);
    let layout = layout(4);
    let server = &learner.server;
    let waiting = || {
        server.refresh_metrics();
        server.metrics().sessions_waiting.get()
    };
    runtime().block_on(async {
        let mut fast = RawSession::open(&learner.url(), &layout).await;
        let mut slow = RawSession::open(&learner.url(), &layout).await;
        fast.send(gradient(1, 0, &[1.0; 4])).await;
        eventually(|| (waiting() == 1).then_some(()));
        assert_eq!(server.version(), 1, "it is applied, and its session waits");
        slow.send(gradient(1, 0, &[f32::NAN; 4])).await;
        assert_eq!(slow.answer().await.verdict(), Verdict::NonFinite);
        let answer = fast.answer().await;
        assert_eq!((answer.verdict(), answer.version), (Verdict::Applied, 1));
        fast.send(gradient(2, 1, &[1.0; 4])).await;
        eventually(|| (waiting() == 1).then_some(()));
        slow.send(gradient(2, 1, &[1.0; 4])).await;
        assert_eq!(slow.answer().await.version, 3);
        let answer = fast.answer().await;
        assert_eq!(answer.version, 3, "its next weights are those of its turn");
        fast.send(gradient(3, 3, &[1.0; 4])).await;
        eventually(|| (waiting() == 1).then_some(()));
        drop(slow);
        assert_eq!(fast.answer().await.version, 4, "who leaves holds nobody");
        assert_eq!(waiting(), 0);
    });
}

#[test]
fn who_sends_nothing_finite_is_told_why_it_ends() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut broken = RawSession::open(&learner.url(), &layout(4)).await;
        for sequence in 1..=128 {
            broken.send(gradient(sequence, 0, &[f32::NAN; 4])).await;
            let answer = broken.answer().await;
            assert_eq!(answer.verdict(), Verdict::NonFinite);
            let told = answer.detail.contains("128 times in a row");
            assert_eq!(told, sequence == 128, "{}", answer.detail);
        }
        let status = loop {
            match broken.next().await {
                Ok(Some(Down::Weights(_))) => {}
                Ok(other) => panic!("{other:?} came; expected the end"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(CallError::of(&status), Some(CallError::Stream));
        assert!(status.message().contains("times in a row"), "{status}");
        eventually(|| learner.server.sessions().is_empty().then_some(()));
    });
}
