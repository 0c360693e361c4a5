//! Evaluations: what they change, when they come, and what the last one is of.

use std::sync::Arc;

use troop_common::experiment::{Experiment, SolvedBy};
use troop_common::finite::Finite;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1;
use troop_common::role::Role;

use super::ParameterServer;
use crate::answers::{Phase, SessionId, Verdict};
use crate::metrics::Metrics;
use crate::shard::gradient::{Gradient, Origin};

/// A run of 100 env steps whose task is solved by an evaluation of 10.
fn server() -> Arc<ParameterServer> {
    let mut experiment = Experiment::default();
    let run = &mut experiment.experiment;
    run.total_env_steps = 100;
    run.solve_return = Some(10.0);
    run.solved_by = SolvedBy::Evaluation;
    run.stop_when_solved = true;
    run.evaluate.every_env_steps = 10;
    Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
}

fn open(server: &ParameterServer, role: Role) -> SessionId {
    let tensor = TensorSpec {
        name: "w".into(),
        shape: vec![2],
        initializer: Initializer::Zeros,
    };
    let joined = server.join_as(role, "w".into(), "p".into()).unwrap();
    let layout = Layout::new(vec![tensor]).unwrap();
    server.open(joined.session, layout).unwrap();
    joined.session
}

fn evaluation(return_mean: f64, version: u64, env_steps: u64) -> v1::Report {
    let evaluation = v1::Evaluation {
        episodes: 10,
        return_mean,
        return_std: 0.5,
        length_mean: 7.0,
        version,
        env_steps,
    };
    v1::Report {
        evaluation: Some(evaluation),
        ..v1::Report::default()
    }
}

async fn push(server: &ParameterServer, session: SessionId, sequence: u64, env_steps: u64) {
    let origin = Origin {
        sequence,
        epoch: 1,
        version: server.version(),
    };
    let gradient = Gradient::new(origin, vec![1.0, 1.0].into(), server.room().await);
    let episode = v1::Episode {
        return_sum: 99.0,
        length: 1,
    };
    let report = v1::Report {
        env_steps,
        episodes: vec![episode; env_steps as usize],
        ..v1::Report::default()
    };
    let outcome = server.push(session, gradient, &report).await;
    assert_eq!(outcome.verdict, Verdict::Applied);
}

#[tokio::test]
async fn an_evaluation_counts_as_nothing_but_itself() {
    let server = server();
    let (evaluating, training) = (open(&server, Role::Evaluate), open(&server, Role::Bundled));
    push(&server, training, 1, 20).await;
    for (sequence, mean) in [(1, 5.0), (2, 8.0), (3, f64::NAN), (4, 3.0)] {
        let outcome = server.report(evaluating, 1, sequence, &evaluation(mean, 1, 20));
        assert_eq!(outcome.verdict, Verdict::Counted);
    }
    let counters = server.progress().counters;
    assert_eq!((counters.env_steps, counters.episodes), (20, 20));
    assert_eq!(counters.evaluations, 3, "what is no number is left out");
    let mean = |found: Option<crate::Evaluation>| found.unwrap().return_mean;
    assert_eq!(mean(counters.last_evaluation), Finite::new(3.0).unwrap());
    assert_eq!(mean(counters.best_evaluation), Finite::new(8.0).unwrap());
    let point = server.ledger().progress_point();
    assert_eq!(point.evaluation, counters.last_evaluation);
    let metrics = server.metrics();
    assert_eq!(metrics.evaluation_return_mean.get(), 3.0);
    assert_eq!(metrics.evaluations.get(), 3);
}

#[tokio::test]
async fn it_alone_solves_the_task_if_that_is_asked_for() {
    let server = server();
    let (evaluating, training) = (open(&server, Role::Evaluate), open(&server, Role::Bundled));
    // Training alone would have: its episodes come to 99.
    push(&server, training, 1, 50).await;
    server.report(evaluating, 1, 1, &evaluation(9.0, 1, 40));
    assert_eq!(*server.phase().borrow(), Phase::Running);
    server.report(evaluating, 1, 2, &evaluation(10.0, 1, 50));
    assert!(matches!(*server.phase().borrow(), Phase::Finished(_)));
    let counters = server.progress().counters;
    assert_eq!(counters.env_steps_to_solve, Some(50));
}

#[tokio::test]
async fn the_last_one_is_of_what_the_run_ended_with_and_counts_behind_its_end() {
    let server = server();
    let (evaluating, training) = (open(&server, Role::Evaluate), open(&server, Role::Bundled));
    push(&server, training, 1, 60).await;
    assert_eq!(server.last_weights(), None, "the run goes on");
    push(&server, training, 2, 40).await;
    assert!(matches!(*server.phase().borrow(), Phase::Finished(_)));
    assert_eq!(server.last_weights(), None, "somebody still trains");
    server.leave(training);
    let last = server.last_weights().unwrap();
    assert_eq!((last.version, last.env_steps), (2, 100));
    let checkpoint = server.checkpoint().unwrap();
    assert_eq!(*last.parameters, checkpoint.parameters);
    let steps = v1::Report {
        env_steps: 1,
        ..v1::Report::default()
    };
    let late = server.report(evaluating, 1, 1, &steps);
    assert_eq!(late.verdict, Verdict::Closed);
    let counted = server.report(evaluating, 1, 2, &evaluation(10.0, 2, 100));
    assert_eq!(counted.verdict, Verdict::Counted);
    assert_eq!(server.progress().counters.env_steps_to_solve, Some(100));
}

#[tokio::test]
async fn one_that_cannot_be_ends_its_session() {
    let server = server();
    let (evaluating, training) = (open(&server, Role::Evaluate), open(&server, Role::Bundled));
    push(&server, training, 1, 20).await;
    for (number, (session, report)) in [
        (training, evaluation(9.0, 1, 20)),
        (evaluating, evaluation(9.0, 2, 20)),
        (evaluating, evaluation(9.0, 1, 21)),
    ]
    .into_iter()
    .enumerate()
    {
        let outcome = server.report(session, 1, 5 + number as u64, &report);
        let found = (outcome.verdict, outcome.ends_session);
        assert_eq!(found, (Verdict::Malformed, true), "{report:?}");
    }
    assert_eq!(server.progress().counters.evaluations, 0);
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_takes_none() {
    let server = server();
    let evaluating = open(&server, Role::Evaluate);
    server.drain("interrupted".into());
    let outcome = server.report(evaluating, 1, 1, &evaluation(9.0, 0, 0));
    assert_eq!(outcome.verdict, Verdict::Closed);
    assert_eq!(server.last_weights(), None);
}
