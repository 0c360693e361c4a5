//! Moments of observations on their way from reports to publishes and checkpoints.

use troop_common::experiment::{LearnerSettings, Optimizer, StalenessPolicy};
use troop_common::layout::{Initializer, TensorSpec};
use troop_common::moments::Moments;
use troop_common::proto::v1;

use super::*;
use crate::answers::{Outcome, ResumeError, Verdict};
use crate::shard::gradient::{Gradient, Origin};

fn server(staleness: StalenessPolicy, normalize_observations: bool) -> Arc<ParameterServer> {
    let mut experiment = Experiment {
        learner: LearnerSettings {
            staleness,
            ..LearnerSettings::default()
        },
        ..Experiment::default()
    };
    experiment.optimizer.name = Optimizer::Sgd;
    experiment.environment.normalize_observations = normalize_observations;
    Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
}

fn open(server: &ParameterServer) -> SessionId {
    let tensor = TensorSpec {
        name: "w".into(),
        shape: vec![1],
        initializer: Initializer::Zeros,
    };
    let session = server.join("w".into(), "p".into()).unwrap().session;
    server
        .open(session, Layout::new(vec![tensor]).unwrap())
        .unwrap();
    session
}

/// A gradient of 1, and what was seen for it.
async fn push(
    server: &ParameterServer,
    session: SessionId,
    sequence: u64,
    seen: &[f32],
) -> Outcome {
    let room = server.room().await;
    let origin = Origin {
        sequence,
        epoch: server.epoch(),
        version: server.version(),
    };
    let mut moments = Moments::default();
    moments.extend(seen, 1);
    let report = v1::Report {
        observations: Some((&moments).into()),
        ..v1::Report::default()
    };
    let gradient = Gradient::new(origin, vec![1.0].into(), room);
    server.push(session, gradient, &report).await
}

fn published(server: &ParameterServer) -> Arc<Weights> {
    server.published().borrow().clone().unwrap()
}

#[tokio::test]
async fn each_publish_carries_all_that_was_reported_and_a_resumed_life_goes_on() {
    let server = server(StalenessPolicy::Accept, true);
    let sessions = [open(&server), open(&server)];
    assert_eq!(published(&server).observations.as_ref().unwrap().count(), 0);
    push(&server, sessions[0], 1, &[1.0, 2.0]).await;
    push(&server, sessions[1], 1, &[6.0]).await;
    let weights = published(&server);
    let moments = weights.observations.as_ref().unwrap();
    assert_eq!(
        (weights.version, moments.count(), moments.mean()),
        (2, 3, [3.0].as_slice())
    );
    let checkpoint = server.checkpoint().unwrap();
    assert_eq!(checkpoint.observations.as_ref(), Some(&**moments));
    let metrics = || Metrics::new().unwrap();
    let experiment = server.experiment().clone();
    let resumed = ParameterServer::resume(experiment, metrics(), checkpoint.clone()).unwrap();
    assert_eq!(published(&resumed).observations, weights.observations);
    let mut other = server.experiment().clone();
    other.environment.normalize_observations = false;
    let refused = ParameterServer::resume(other, metrics(), checkpoint).err();
    assert_eq!(
        refused,
        Some(ResumeError::OtherObservations { began_with: true })
    );
}

/// A checkpoint has moments if observations are normalised, rewards, or both: their dimensions say which.
#[tokio::test]
async fn a_run_that_normalizes_rewards_still_knows_whether_it_normalizes_observations() {
    let with = |observations: bool, dimensions: usize| {
        let mut experiment = server(StalenessPolicy::Accept, observations)
            .experiment()
            .clone();
        experiment.environment.normalize_rewards = true;
        let server = ParameterServer::new(experiment.clone(), Metrics::new().unwrap());
        open(&server);
        let mut checkpoint = server.checkpoint().unwrap();
        let nothing = checkpoint.observations.clone();
        assert_eq!(nothing, Some(Moments::default()), "counted from the start");
        let moments = Moments::from_parts(3, vec![0.0; dimensions], vec![1.0; dimensions]);
        checkpoint.observations = Some(moments.unwrap());
        let resumed = ParameterServer::resume(experiment, Metrics::new().unwrap(), checkpoint);
        resumed.err()
    };
    assert_eq!((with(true, 5), with(false, 1)), (None, None));
    let refused = |began_with| Some(ResumeError::OtherObservations { began_with });
    assert_eq!(
        (with(true, 1), with(false, 5)),
        (refused(false), refused(true))
    );
}

#[tokio::test]
async fn what_was_computed_on_no_numbers_is_refused_in_each_mode() {
    for policy in [StalenessPolicy::Accept, StalenessPolicy::Synchronous] {
        let server = server(policy, true);
        let session = open(&server);
        let refused = push(&server, session, 1, &[f32::NAN]).await;
        assert_eq!(refused.verdict, Verdict::NonFinite, "{policy:?}");
        assert!(refused.detail.contains("dimension 0"), "{}", refused.detail);
        let applied = push(&server, session, 2, &[4.0]).await;
        assert_eq!(applied.verdict, Verdict::Applied, "{policy:?}");
        let moments = published(&server).observations.clone().unwrap();
        assert_eq!((moments.count(), moments.mean()), (1, [4.0].as_slice()));
    }
}

#[tokio::test]
async fn rounds_combine_in_order_of_session_whoever_comes_first() {
    let mut found = Vec::new();
    for turn in 0..2 {
        let server = server(StalenessPolicy::Synchronous, true);
        let mut sessions = [open(&server), open(&server)];
        let seen = [[0.1_f32, 0.7], [1e6, -3.0]];
        sessions.rotate_left(turn);
        let values = |session: SessionId| seen[(session - 1) as usize];
        let [first, second] = sessions.map(|session| {
            let server = Arc::clone(&server);
            async move { push(&server, session, 1, &values(session)).await }
        });
        let (first, second) = tokio::join!(first, second);
        assert_eq!([first.verdict, second.verdict], [Verdict::Applied; 2]);
        found.push(published(&server).observations.clone().unwrap());
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].count(), 4);
}

#[tokio::test]
async fn without_normalization_nothing_is_kept() {
    let server = server(StalenessPolicy::Accept, false);
    let session = open(&server);
    let outcome = push(&server, session, 1, &[f32::NAN]).await;
    assert_eq!(outcome.verdict, Verdict::Applied);
    assert_eq!(published(&server).observations, None);
    assert_eq!(server.checkpoint().unwrap().observations, None);
}
