//! Workers that only act: their reports count, and nobody waits for their gradients.

use std::sync::Arc;

use tokio::time::timeout;
use troop_common::experiment::{Experiment, LearnerSettings, StalenessPolicy};
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1;
use troop_common::role::Role;

use super::ParameterServer;
use crate::answers::{Outcome, Phase, SessionId, Verdict};
use crate::metrics::Metrics;
use crate::shard::gradient::{Gradient, Origin};

fn layout() -> Layout {
    let tensor = TensorSpec {
        name: "w".into(),
        shape: vec![2],
        initializer: Initializer::Zeros,
    };
    Layout::new(vec![tensor]).unwrap()
}

fn server(staleness: StalenessPolicy) -> Arc<ParameterServer> {
    let mut experiment = Experiment {
        learner: LearnerSettings {
            staleness,
            synchronous_workers: 1,
            bound_updates: 0,
            ..LearnerSettings::default()
        },
        ..Experiment::default()
    };
    experiment.experiment.total_env_steps = 100;
    Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
}

fn open(server: &ParameterServer, role: Role) -> SessionId {
    let joined = server.join_as(role, "w".into(), "p".into()).unwrap();
    server.open(joined.session, layout()).unwrap();
    joined.session
}

fn steps(env_steps: u64) -> v1::Report {
    v1::Report {
        env_steps,
        frames: env_steps,
        ..v1::Report::default()
    }
}

async fn push(server: &ParameterServer, session: SessionId, sequence: u64) -> Outcome {
    server.turn(session).await;
    let room = server.room().await;
    let origin = Origin {
        sequence,
        epoch: 1,
        version: server.version(),
    };
    let gradient = Gradient::new(origin, vec![1.0, 1.0].into(), room);
    let nothing = v1::Report::default();
    server.push(session, gradient, &nothing).await
}

#[test]
fn a_report_without_a_gradient_counts_once() {
    let server = server(StalenessPolicy::Accept);
    let session = open(&server, Role::Act);
    let verdict = |epoch, sequence| server.report(session, epoch, sequence, &steps(10)).verdict;
    assert_eq!(verdict(1, 1), Verdict::Counted);
    assert_eq!(verdict(1, 1), Verdict::Duplicate);
    assert_eq!(verdict(2, 2), Verdict::WrongEpoch);
    assert_eq!(verdict(1, 3), Verdict::Counted);
    assert_eq!(server.progress().counters.env_steps, 20);
    assert_eq!(server.version(), 0, "there was no update");
    let view = server.sessions().remove(0);
    assert_eq!((view.env_steps, view.gradients_applied), (20, 0));
}

#[test]
fn a_report_that_cannot_be_true_ends_its_session_and_is_not_counted() {
    let server = server(StalenessPolicy::Accept);
    let session = open(&server, Role::Act);
    let outcome = server.report(session, 1, 1, &steps(1 << 40));
    assert_eq!(
        (outcome.verdict, outcome.ends_session),
        (Verdict::Malformed, true)
    );
    assert_eq!(server.progress().counters.env_steps, 0);
}

#[test]
fn a_run_is_over_when_those_who_act_have_taken_its_steps() {
    let server = server(StalenessPolicy::Accept);
    let session = open(&server, Role::Act);
    for sequence in 1..=10 {
        assert_eq!(*server.phase().borrow(), Phase::Running);
        let outcome = server.report(session, 1, sequence, &steps(10));
        assert_eq!(outcome.verdict, Verdict::Counted);
    }
    assert!(matches!(*server.phase().borrow(), Phase::Finished(_)));
    let late = server.report(session, 1, 11, &steps(10));
    assert_eq!(late.verdict, Verdict::Closed);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_gradient_of_those_who_only_act() {
    for policy in [StalenessPolicy::Bound, StalenessPolicy::Synchronous] {
        let server = server(policy);
        let acting = open(&server, Role::Act);
        let training = open(&server, Role::Train);
        for sequence in 1..=5 {
            let pushed = push(&server, training, sequence);
            let limit = std::time::Duration::from_millis(1);
            let outcome = timeout(limit, pushed).await.expect("it waits");
            assert_eq!(outcome.verdict, Verdict::Applied, "{policy:?}");
            let counted = server.report(acting, 1, sequence, &steps(1));
            assert_eq!(counted.verdict, Verdict::Counted);
        }
        assert_eq!(server.version(), 5, "{policy:?}");
    }
}

#[test]
fn those_who_act_and_those_who_train_are_numbered_apart() {
    let server = server(StalenessPolicy::Accept);
    let roles = [Role::Act, Role::Train, Role::Act, Role::Train];
    let index = |role| {
        server
            .join_as(role, "w".into(), "p".into())
            .unwrap()
            .worker_index
    };
    assert_eq!(roles.map(index), [0, 0, 1, 1]);
}
