use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use troop_common::experiment::{Experiment, StalenessPolicy};
use troop_common::layout::{Initializer, Layout, TensorSpec};

use super::ParameterServer;
use crate::answers::OpenError;
use crate::metrics::Metrics;

fn layout(shape: &[usize], initializer: Initializer) -> Layout {
    let tensor = TensorSpec {
        name: "w".into(),
        shape: shape.to_vec(),
        initializer,
    };
    Layout::new(vec![tensor]).unwrap()
}

/// It takes seconds to draw.
fn slow() -> Layout {
    layout(&[2_040, 2_040], Initializer::Orthogonal(1.0))
}

fn server(experiment: Experiment) -> Arc<ParameterServer> {
    Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
}

#[tokio::test]
async fn a_layout_without_memory_or_sense_is_refused_before_anything_is_allocated() {
    let mut experiment = Experiment::default();
    experiment.learner.staleness = StalenessPolicy::Compensate;
    experiment.learner.compensation_history = 1_000_000;
    let server = server(experiment);
    let session = server.join("w".into(), "p".into()).unwrap().session;
    let began = Instant::now();
    // A million GiB.
    let zeros = layout(&[1 << 28], Initializer::Zeros);
    let wide = layout(&[1 << 14, 1 << 14], Initializer::Orthogonal(1.0));
    for _ in 0..2 {
        let refused = server.prepare(&zeros).await.unwrap_err();
        assert!(matches!(refused, OpenError::NoMemory { .. }), "{refused}");
        let refused = server.open(session, zeros.clone()).unwrap_err();
        assert!(matches!(refused, OpenError::NoMemory { .. }), "{refused}");
        let refused = server.prepare(&wide).await.unwrap_err();
        assert!(matches!(refused, OpenError::TooLong { .. }), "{refused}");
    }
    assert!(began.elapsed() < Duration::from_millis(500));
    let small = layout(&[8], Initializer::Zeros);
    assert_eq!(server.elements(), None, "no layout was taken");
    server.prepare(&small).await.unwrap();
    assert_eq!(server.open(session, small), Ok(()));
}

/// The runtime's only thread goes on while parameters are drawn, and closing ends that.
#[tokio::test]
async fn drawing_keeps_nobody_busy_and_ends_when_the_learner_closes() {
    let server = server(Experiment::default());
    let prepare = || {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.prepare(&slow()).await })
    };
    let (first, second) = (prepare(), prepare());
    for _ in 0..20 {
        sleep(Duration::from_millis(5)).await;
        server.join("w".into(), "p".into()).unwrap();
        server.refresh_metrics();
    }
    assert!(!first.is_finished() && !second.is_finished());
    server.drain("maintenance".into());
    let closed = Err(OpenError::Closed("maintenance".into()));
    let limit = Duration::from_secs(1);
    assert_eq!(timeout(limit, first).await.unwrap().unwrap(), closed);
    assert_eq!(timeout(limit, second).await.unwrap().unwrap(), closed);
    assert_eq!(server.elements(), None);
}

/// One whose worker hangs up leaves the others nothing to wait for: the next one draws its own.
#[tokio::test]
async fn a_session_that_goes_away_takes_its_layout_with_it() {
    let server = server(Experiment::default());
    let gone = {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.prepare(&slow()).await })
    };
    sleep(Duration::from_millis(20)).await;
    let small = layout(&[8], Initializer::Zeros);
    let next = {
        let (server, small) = (Arc::clone(&server), small.clone());
        tokio::spawn(async move { server.prepare(&small).await })
    };
    sleep(Duration::from_millis(20)).await;
    assert!(!next.is_finished(), "one after the other");
    gone.abort();
    let opened = timeout(Duration::from_secs(1), next).await;
    assert_eq!(opened.unwrap().unwrap(), Ok(()));
    assert_eq!(server.fingerprint(), Some(small.fingerprint().as_str()));
}

#[tokio::test]
async fn drawn_elsewhere_or_here_the_parameters_are_the_same() {
    let medium = layout(&[260, 260], Initializer::Orthogonal(1.0));
    let parameters = |server: &ParameterServer| server.checkpoint().unwrap().parameters;
    let (elsewhere, here) = (server(Experiment::default()), server(Experiment::default()));
    elsewhere.prepare(&medium).await.unwrap();
    let session = here.join("w".into(), "p".into()).unwrap().session;
    here.open(session, medium).unwrap();
    assert_eq!(parameters(&elsewhere), parameters(&here));
}
