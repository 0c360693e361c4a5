use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use troop_common::experiment::{
    Anneal, CompensationForm, LearnerSettings, Optimizer, Publish, StalenessPolicy,
};
use troop_common::layout::{Initializer, TensorSpec};
use troop_common::proto::v1;

use super::*;
use crate::answers::{Outcome, Verdict};
use crate::ledger::{Level, RunEvent};
use crate::lock::lock;
use crate::shard::gradient::{Gradient, Origin};

const LIMIT: Duration = Duration::from_secs(3_600);

fn layout(elements: usize) -> Layout {
    let tensor = TensorSpec {
        name: "w".into(),
        shape: vec![elements],
        initializer: Initializer::Zeros,
    };
    Layout::new(vec![tensor]).unwrap()
}

fn experiment(learner: LearnerSettings) -> Experiment {
    let mut experiment = Experiment {
        learner,
        ..Experiment::default()
    };
    experiment.optimizer.name = Optimizer::Sgd;
    experiment.optimizer.anneal = Anneal::Constant;
    experiment.optimizer.learning_rate = 1.0;
    experiment.optimizer.max_gradient_norm = None;
    experiment
}

fn learner(staleness: StalenessPolicy) -> LearnerSettings {
    LearnerSettings {
        staleness,
        ..LearnerSettings::default()
    }
}

fn server(learner: LearnerSettings) -> Arc<ParameterServer> {
    let metrics = Metrics::new().unwrap();
    Arc::new(ParameterServer::new(experiment(learner), metrics))
}

/// A session with a layout of two elements.
#[derive(Clone)]
struct Peer {
    server: Arc<ParameterServer>,
    session: SessionId,
    sequence: Arc<AtomicU64>,
}

impl Peer {
    fn open(server: &Arc<ParameterServer>) -> Self {
        let session = server.join("w".into(), "p".into()).unwrap().session;
        server.open(session, layout(2)).unwrap();
        Self {
            server: Arc::clone(server),
            session,
            sequence: Arc::default(),
        }
    }

    /// Once it is its turn.
    async fn push(&self, version: u64, gradient: impl Into<Vec<f32>>) -> Outcome {
        self.server.turn(self.session).await;
        let room = self.server.room().await;
        let origin = Origin {
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            epoch: 1,
            version,
        };
        let gradient = Gradient::new(origin, gradient.into().into(), room);
        let report = v1::Report {
            env_steps: 1,
            ..v1::Report::default()
        };
        self.server.push(self.session, gradient, &report).await
    }

    fn spawn(&self, version: u64, gradient: [f32; 2]) -> JoinHandle<Outcome> {
        let peer = self.clone();
        tokio::spawn(async move { peer.push(version, gradient).await })
    }

    fn leave(&self) {
        self.server.leave(self.session);
    }
}

fn parameters(server: &ParameterServer) -> Vec<f32> {
    let newest = server.published().borrow().clone();
    newest.unwrap().parameters.to_vec()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it waits for ever")
}

#[tokio::test(start_paused = true)]
async fn stale_gradients_become_what_the_policy_says() {
    // Two updates of 1 each, then a gradient of 0.5 that was computed on version 0.
    for (policy, expected, verdict) in [
        (StalenessPolicy::Accept, -2.5, Verdict::Applied),
        (StalenessPolicy::Drop, -2.0, Verdict::Stale),
        (StalenessPolicy::Scale, -2.25, Verdict::Applied),
        // 0.5 + 0.5·0.5²·(−2 − 0) = 0.25
        (StalenessPolicy::Compensate, -2.25, Verdict::Applied),
    ] {
        let server = server(LearnerSettings {
            max_staleness_updates: 1,
            compensation: 0.5,
            ..learner(policy)
        });
        let peer = Peer::open(&server);
        for version in 0..2 {
            let outcome = peer.push(version, [1.0, 1.0]).await;
            assert_eq!(
                (outcome.verdict, outcome.version),
                (Verdict::Applied, version + 1)
            );
        }
        let outcome = peer.push(0, [0.5, 0.5]).await;
        assert_eq!(outcome.verdict, verdict, "{policy:?}: {}", outcome.detail);
        assert_eq!(parameters(&server), [expected; 2], "{policy:?}");
        let metrics = server.metrics();
        let scaled = u64::from(policy == StalenessPolicy::Scale);
        let compensated = 3 * u64::from(policy == StalenessPolicy::Compensate);
        assert_eq!(metrics.gradients_scaled.get(), scaled);
        assert_eq!(metrics.gradients_compensated.get(), compensated);
    }
}

/// Gradients as small as a clipped mean loss gives them: λ = 0.04 corrects nothing, the adaptive form
/// does, and goes on where a checkpoint ends.
#[tokio::test(start_paused = true)]
async fn adaptive_compensation_corrects_small_gradients_too_and_survives_a_restart() {
    use CompensationForm::{Adaptive, Constant};
    for (form, least, most) in [(Constant, 0.0, 1e-5), (Adaptive, 0.01, 1.0)] {
        let mut experiment = experiment(LearnerSettings {
            compensation_form: form,
            ..learner(StalenessPolicy::Compensate)
        });
        experiment.optimizer.learning_rate = 10.0;
        let metrics = || Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(experiment.clone(), metrics()));
        let peer = Peer::open(&server);
        for version in 0..2 {
            peer.push(version, [1e-3; 2]).await;
        }
        let before = parameters(&server)[0];
        peer.push(0, [1e-3; 2]).await;
        let step = before - parameters(&server)[0];
        let relative = (step / 1e-2 - 1.0).abs();
        assert!((least..=most).contains(&relative), "{form:?}: {relative}");

        let checkpoint = server.checkpoint().unwrap();
        let kept: Vec<&str> = checkpoint.optimizer.keys().map(String::as_str).collect();
        let squares = "compensation_square_average";
        assert_eq!(kept.contains(&squares), form == Adaptive);
        let resumed = ParameterServer::resume(experiment.clone(), metrics(), checkpoint.clone());
        assert_eq!(
            resumed.unwrap().checkpoint().unwrap().optimizer,
            checkpoint.optimizer
        );
        experiment.learner.compensation_form = Adaptive;
        let refused = ParameterServer::resume(experiment, metrics(), checkpoint).err();
        assert_eq!(refused.is_some(), form == Constant, "it has no such state");
    }
}

#[tokio::test]
async fn a_gradient_of_another_length_touches_nothing() {
    let server = server(learner(StalenessPolicy::Accept));
    let peer = Peer::open(&server);
    for wrong in [vec![], vec![1.0], vec![1.0; 3]] {
        let outcome = peer.push(0, wrong).await;
        assert_eq!(outcome.verdict, Verdict::Malformed, "{}", outcome.detail);
    }
    assert_eq!(parameters(&server), [0.0; 2]);
    assert_eq!(server.metrics().bytes_in_flight.get(), 0);
    assert_eq!(peer.push(0, [1.0; 2]).await.verdict, Verdict::Applied);
}

/// With an interval several updates may come before a publish: too many for all gradients that are
/// on their way then and later, so that there would never be another update.
#[tokio::test(start_paused = true)]
async fn a_publish_that_is_due_needs_no_update_where_all_gradients_are_stale() {
    let server = server(LearnerSettings {
        max_staleness_updates: 1,
        publish: Publish::IntervalMs(50),
        ..learner(StalenessPolicy::Drop)
    });
    let peer = Peer::open(&server);
    let newest = || server.published().borrow().as_ref().unwrap().version;
    for verdict in [Verdict::Applied, Verdict::Applied, Verdict::Stale] {
        assert_eq!(peer.push(0, [1.0; 2]).await.verdict, verdict);
    }
    assert_eq!(newest(), 0, "the interval is not over");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(peer.push(0, [1.0; 2]).await.verdict, Verdict::Stale);
    assert_eq!(newest(), 2);
    assert_eq!(peer.push(2, [1.0; 2]).await.verdict, Verdict::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_gradient_whose_publish_is_not_kept_is_refused_as_stale() {
    let server = server(LearnerSettings {
        compensation_history: 2,
        ..learner(StalenessPolicy::Compensate)
    });
    let peer = Peer::open(&server);
    for version in 0..2 {
        peer.push(version, [1.0, 1.0]).await;
    }
    let outcome = peer.push(0, [1.0, 1.0]).await;
    assert_eq!(outcome.verdict, Verdict::Stale);
    assert!(outcome.detail.contains("last 2 publishes"), "{outcome:?}");
    assert_eq!(peer.push(1, [1.0, 1.0]).await.verdict, Verdict::Applied);
}

#[tokio::test(start_paused = true)]
async fn the_fast_wait_for_the_slow_until_these_go_on_or_leave() {
    let server = server(LearnerSettings {
        bound_updates: 2,
        straggler_timeout_ms: None,
        ..learner(StalenessPolicy::Bound)
    });
    let (fast, slow) = (Peer::open(&server), Peer::open(&server));
    let idle = server.join("joined only".into(), "p".into()).unwrap();
    for version in 0..3 {
        assert_eq!(
            soon(fast.push(version, [1.0; 2])).await.verdict,
            Verdict::Applied
        );
    }
    let waiting = fast.spawn(3, [1.0; 2]);
    sleep(LIMIT).await;
    assert!(!waiting.is_finished());
    let refused = slow.push(3, [f32::NAN, 0.0]).await;
    assert_eq!(refused.verdict, Verdict::NonFinite);
    let outcome = soon(waiting).await.unwrap();
    assert_eq!(outcome.version, 4, "a refused gradient spends its turn");
    let waiting = fast.spawn(4, [1.0; 2]);
    sleep(LIMIT).await;
    assert!(!waiting.is_finished());
    assert_eq!(slow.push(3, [1.0; 2]).await.verdict, Verdict::Applied);
    assert_eq!(soon(waiting).await.unwrap().version, 6);
    let waiting = fast.spawn(6, [1.0; 2]);
    sleep(LIMIT).await;
    assert!(!waiting.is_finished());
    slow.leave();
    assert_eq!(soon(waiting).await.unwrap().verdict, Verdict::Applied);
    assert_eq!(
        server.metrics().turn_wait.get_sample_sum(),
        3.0 * LIMIT.as_secs_f64()
    );
    server.leave(idle.session);
}

/// Events that were noted of `message`, with the session that they name.
fn noted(events: &VecDeque<RunEvent>, message: &str) -> Vec<u64> {
    let of_kind = events.iter().filter(|event| event.message == message);
    of_kind
        .map(|event| event.fields["session"].as_u64().unwrap())
        .collect()
}

const SILENT: &str = "session is silent; the others wait for it no more until it contributes";
const AGAIN: &str = "session contributes again";

#[tokio::test(start_paused = true)]
async fn with_a_bound_a_silent_session_holds_up_the_others_three_timeouts_and_never_again() {
    let server = server(LearnerSettings {
        bound_updates: 0,
        ..learner(StalenessPolicy::Bound)
    });
    let (fast, silent) = (Peer::open(&server), Peer::open(&server));
    let metrics = server.metrics();
    let waits = || {
        server.refresh_metrics();
        let seconds = metrics.longest_wait.get();
        let (waiting, silent) = (
            metrics.sessions_waiting.get(),
            metrics.sessions_silent.get(),
        );
        (waiting, seconds, silent)
    };
    let began = Instant::now();
    fast.push(0, [1.0; 2]).await;
    let waiting = fast.spawn(1, [1.0; 2]);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(waits(), (1, 12.0, 0));
    let so_far = metrics.turn_wait.get_sample_sum();
    assert_eq!(so_far, 10.0, "a wait is counted while it lasts");
    assert_eq!(soon(waiting).await.unwrap().verdict, Verdict::Applied);
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    for version in 2..20 {
        fast.push(version, [1.0; 2]).await;
    }
    assert_eq!(began.elapsed(), Duration::from_secs(30), "nobody waits");
    assert_eq!(waits(), (0, 0.0, 1));
    assert_eq!(metrics.turn_wait.get_sample_sum(), 30.0);
    let events = server.ledger().take_events();
    assert_eq!(noted(&events, SILENT), [silent.session]);
    assert_eq!(
        silent.push(20, [f32::NAN; 2]).await.verdict,
        Verdict::NonFinite
    );
    assert_eq!(waits().2, 1, "a refused gradient is no progress");

    assert_eq!(silent.push(20, [1.0; 2]).await.verdict, Verdict::Applied);
    assert_eq!(
        (waits(), noted(&server.ledger().take_events(), AGAIN)),
        ((0, 0.0, 0), vec![2])
    );
    for version in 21..23 {
        soon(fast.push(version, [1.0; 2])).await;
    }
    let waiting = fast.spawn(23, [1.0; 2]);
    sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished(), "it is waited for again");
    silent.push(23, [1.0; 2]).await;
    soon(waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_costs_three_rounds_their_timeout_and_no_more() {
    let server = server(learner(StalenessPolicy::Synchronous));
    let (quick, silent) = (Peer::open(&server), Peer::open(&server));
    let metrics = server.metrics();
    let began = Instant::now();
    let waiting = quick.spawn(0, [1.0; 2]);
    sleep(Duration::from_secs(7)).await;
    server.refresh_metrics();
    let seconds = metrics.longest_wait.get();
    assert_eq!((metrics.sessions_waiting.get(), seconds), (1, 7.0));
    assert_eq!(metrics.round_wait.get_sample_sum(), 5.0);
    soon(waiting).await.unwrap();
    for version in 1..40 {
        soon(quick.push(version, [1.0; 2])).await;
    }
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    let events = server.ledger().take_events();
    assert_eq!(noted(&events, SILENT), [silent.session]);
    server.refresh_metrics();
    assert_eq!(metrics.sessions_silent.get(), 1);

    assert_eq!(silent.push(0, [1.0; 2]).await.verdict, Verdict::Late);
    let waiting = quick.spawn(40, [1.0; 2]);
    sleep(Duration::from_secs(9)).await;
    assert!(!waiting.is_finished(), "it gets another chance");
    assert_eq!(silent.push(40, [3.0; 2]).await.verdict, Verdict::Applied);
    soon(waiting).await.unwrap();
    assert_eq!(parameters(&server), [-42.0; 2]);
    assert_eq!(
        noted(&server.ledger().take_events(), AGAIN),
        [silent.session]
    );
}

/// The wait that nothing ends is told: what was configured is for the user to judge.
#[tokio::test(start_paused = true)]
async fn a_wait_that_lasts_is_noted_once_a_minute() {
    let server = server(LearnerSettings {
        synchronous_workers: 2,
        ..learner(StalenessPolicy::Synchronous)
    });
    let first = Peer::open(&server);
    let waiting = first.spawn(0, [1.0; 2]);
    sleep(Duration::from_secs(200)).await;
    let events = server.ledger().take_events();
    let message = "the first round waits for more sessions";
    let of_kind: Vec<&RunEvent> = events.iter().filter(|e| e.message == message).collect();
    assert_eq!(of_kind.len(), 3);
    let last = &of_kind[2].fields;
    assert_eq!(
        (&last["seconds"], &last["missing"]),
        (&180.into(), &1.into())
    );
    let second = Peer::open(&server);
    soon(second.push(0, [1.0; 2])).await;
    soon(waiting).await.unwrap();
    assert_eq!(parameters(&server), [-1.0; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_learner_that_closes_lets_nobody_wait() {
    let bound = server(LearnerSettings {
        bound_updates: 0,
        ..learner(StalenessPolicy::Bound)
    });
    let synchronous = server(learner(StalenessPolicy::Synchronous));
    for server in [bound, synchronous] {
        let (first, _second) = (Peer::open(&server), Peer::open(&server));
        if server.experiment.learner.staleness == StalenessPolicy::Bound {
            first.push(0, [1.0; 2]).await;
        }
        let waiting = first.spawn(server.version(), [1.0; 2]);
        sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        server.drain("maintenance".into());
        let outcome = soon(waiting).await.unwrap();
        assert_eq!(outcome.verdict, Verdict::Closed);
        assert_eq!(outcome.detail, "maintenance");
        assert_eq!(server.metrics().bytes_in_flight.get(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_is_one_update_along_the_mean_whatever_the_order() {
    for order in [[0, 1, 2], [2, 0, 1]] {
        let server = server(LearnerSettings {
            synchronous_workers: 3,
            ..learner(StalenessPolicy::Synchronous)
        });
        let peers = [(); 3].map(|()| Peer::open(&server));
        let gradients = [[0.1_f32, 3.0], [0.2, 5.0], [0.7, 1.0]];
        let mut pushes = Vec::new();
        for index in order {
            pushes.push(peers[index].spawn(0, gradients[index]));
            tokio::task::yield_now().await;
        }
        for push in pushes {
            let outcome = soon(push).await.unwrap();
            assert_eq!((outcome.verdict, outcome.version), (Verdict::Applied, 1));
        }
        let third = (1.0_f64 / 3.0) as f32;
        let expected = [-(0.1 + 0.2 + 0.7_f32) * third, -9.0 * third];
        assert_eq!(parameters(&server), expected);
        let counters = server.progress().counters;
        assert_eq!((counters.updates, counters.gradients_applied), (1, 3));
        assert_eq!(counters.env_steps, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_mean_is_clipped_not_its_parts() {
    let mut experiment = experiment(learner(StalenessPolicy::Synchronous));
    experiment.optimizer.max_gradient_norm = Some(2.5);
    let server = Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()));
    let (first, second) = (Peer::open(&server), Peer::open(&server));
    let waiting = first.spawn(0, [6.0, 0.0]);
    second.push(0, [0.0, 8.0]).await;
    soon(waiting).await.unwrap();
    // The mean is (3, 4), its norm 5.
    assert_eq!(parameters(&server), [-1.5, -2.0]);
}

#[tokio::test(start_paused = true)]
async fn with_one_worker_synchronous_is_asynchronous_to_the_bit() {
    let run = async |policy| {
        let mut experiment = experiment(learner(policy));
        experiment.optimizer.name = Optimizer::Rmsprop;
        experiment.optimizer.anneal = Anneal::Linear;
        experiment.optimizer.max_gradient_norm = Some(0.7);
        experiment.experiment.total_env_steps = 60;
        let server = Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()));
        let peer = Peer::open(&server);
        for version in 0..50 {
            let value = (version as f32 * 0.37).sin();
            peer.push(version, [value, value * 1.7]).await;
        }
        let checkpoint = server.checkpoint().unwrap();
        (checkpoint.parameters, checkpoint.optimizer)
    };
    let asynchronous = run(StalenessPolicy::Accept).await;
    assert_eq!(run(StalenessPolicy::Synchronous).await, asynchronous);
}

#[tokio::test(start_paused = true)]
async fn stragglers_are_left_out_and_told_to_take_the_new_weights() {
    let server = server(learner(StalenessPolicy::Synchronous));
    let (quick, slow) = (Peer::open(&server), Peer::open(&server));
    let began = Instant::now();
    assert_eq!(
        soon(quick.push(0, [1.0; 2])).await.verdict,
        Verdict::Applied
    );
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let late = slow.push(0, [100.0; 2]).await;
    assert_eq!((late.verdict, late.version), (Verdict::Late, 1));
    assert_eq!(parameters(&server), [-1.0; 2]);
    let waiting = quick.spawn(1, [1.0; 2]);
    assert_eq!(soon(slow.push(1, [3.0; 2])).await.version, 2);
    soon(waiting).await.unwrap();
    assert_eq!(parameters(&server), [-3.0; 2]);
    let rounds = |end| server.metrics().rounds.with_label_values(&[end]).get();
    assert_eq!(
        (rounds("full"), rounds("deadline"), rounds("left")),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_refused_waits_for_its_round_and_holds_nobody_up() {
    let server = server(learner(StalenessPolicy::Synchronous));
    let (first, second) = (Peer::open(&server), Peer::open(&server));
    let refused = second.spawn(0, [f32::INFINITY, 0.0]);
    sleep(Duration::from_secs(1)).await;
    assert!(!refused.is_finished(), "it would live on for nothing");
    let applied = soon(first.push(0, [1.0; 2])).await;
    let refused = soon(refused).await.unwrap();
    assert_eq!((applied.verdict, applied.version), (Verdict::Applied, 1));
    assert_eq!((refused.verdict, refused.version), (Verdict::NonFinite, 1));
    assert_eq!(parameters(&server), [-1.0; 2]);
    assert_eq!(server.progress().counters.env_steps, 2);
    let waiting = first.spawn(1, [f32::NAN; 2]);
    let refused = soon(second.push(1, [f32::NAN; 2])).await;
    assert_eq!((refused.verdict, refused.version), (Verdict::NonFinite, 1));
    soon(waiting).await.unwrap();
    assert_eq!(server.progress().counters.env_steps, 4);
    assert_eq!(server.metrics().bytes_in_flight.get(), 0);
    let waiting = first.spawn(1, [1.0; 2]);
    soon(second.push(1, [3.0; 2])).await;
    soon(waiting).await.unwrap();
    assert_eq!(parameters(&server), [-3.0; 2]);
}

/// One of two workers sends nothing finite: the other goes on as if it were alone, at half its pace
/// at worst, and the broken one's session ends.
#[tokio::test(start_paused = true)]
async fn a_worker_that_sends_nothing_finite_stops_nobody_and_is_told_to_end() {
    use StalenessPolicy::{Accept, Bound, Synchronous};
    for policy in [Accept, Bound, Synchronous] {
        let server = server(LearnerSettings {
            bound_updates: 1,
            ..learner(policy)
        });
        let (broken, honest) = (Peer::open(&server), Peer::open(&server));
        let began = Instant::now();
        let refusals = tokio::spawn(async move {
            let mut refused = 0;
            loop {
                sleep(Duration::from_millis(10)).await;
                let outcome = broken.push(broken.server.version(), [f32::NAN; 2]).await;
                assert_eq!(outcome.verdict, Verdict::NonFinite);
                refused += 1;
                if outcome.ends_session {
                    broken.leave();
                    return (refused, outcome.detail);
                }
            }
        });
        for version in 0..140 {
            sleep(Duration::from_millis(10)).await;
            let outcome = soon(honest.push(version, [1.0; 2])).await;
            assert_eq!(outcome.verdict, Verdict::Applied, "{policy:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{policy:?}");
        let (refused, detail) = soon(refusals).await.unwrap();
        assert_eq!(refused, 128, "{policy:?}");
        assert!(detail.contains("128 times in a row"), "{detail}");
        let events = server.ledger().take_events();
        let ended = "session ended: its gradients are not finite";
        assert_eq!(noted(&events, ended), [1], "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_finite_gradient_between_lets_a_session_go_on() {
    let server = server(learner(StalenessPolicy::Accept));
    let peer = Peer::open(&server);
    for round in 0..3 {
        for _ in 0..9 {
            let refused = peer.push(round, [f32::NAN; 2]).await;
            assert!(!refused.ends_session);
        }
        assert_eq!(peer.push(round, [1.0; 2]).await.verdict, Verdict::Applied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_holds_no_round_and_keeps_no_room() {
    let server = server(LearnerSettings {
        straggler_timeout_ms: None,
        ..learner(StalenessPolicy::Synchronous)
    });
    let [lost, silent, last] = [(); 3].map(|()| Peer::open(&server));
    let dropped = lost.spawn(0, [100.0; 2]);
    let waiting = last.spawn(0, [1.0; 2]);
    tokio::task::yield_now().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    assert_eq!(server.metrics().bytes_in_flight.get(), 8);
    assert!(!waiting.is_finished());
    silent.leave();
    assert_eq!(soon(waiting).await.unwrap().verdict, Verdict::Applied);
    assert_eq!(parameters(&server), [-1.0; 2]);
    assert_eq!(server.sessions().len(), 1);
    assert_eq!(server.metrics().bytes_in_flight.get(), 0);
}

#[test]
fn a_round_that_does_not_fit_is_refused_at_open() {
    let server = server(LearnerSettings {
        bytes_in_flight: 16,
        ..learner(StalenessPolicy::Synchronous)
    });
    let (first, _second) = (Peer::open(&server), Peer::open(&server));
    let third = server.join("w".into(), "p".into()).unwrap().session;
    let refused = server.open(third, layout(2)).unwrap_err();
    let expected = OpenError::NoRoom {
        sessions: 3,
        needed_bytes: 24,
        budget_bytes: 16,
    };
    assert_eq!(refused, expected);
    first.leave();
    assert_eq!(server.open(third, layout(2)), Ok(()));
}

#[test]
fn another_optimiser_cannot_go_on_from_a_checkpoint_silently() {
    let server = server(LearnerSettings::default());
    Peer::open(&server);
    let checkpoint = server.checkpoint().unwrap();
    let mut experiment = server.experiment().clone();
    experiment.optimizer.name = Optimizer::Rmsprop;
    let resumed = ParameterServer::resume(experiment, Metrics::new().unwrap(), checkpoint);
    let message = resumed.err().unwrap().to_string();
    assert!(message.contains("`square_average`"), "{message}");
    assert!(message.contains("optimizer.name"), "{message}");
}

#[tokio::test]
async fn a_target_that_is_refreshed_too_often_for_its_workers_is_warned_of_once() {
    let mut experiment = experiment(learner(StalenessPolicy::Accept));
    let text = "[method]\nname = \"one_step_q\"\ntarget_sync = { updates = 7 }";
    experiment.method = Experiment::from_toml(text).unwrap().method;
    let server = Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()));
    let warnings = || {
        let events = server.ledger().take_events().into_iter();
        let young = |event: &RunEvent| event.message.contains("about as young");
        events.filter(young).count()
    };
    let _two = [(); 2].map(|()| Peer::open(&server));
    assert_eq!(warnings(), 0);
    let _more = [(); 4].map(|()| Peer::open(&server));
    assert_eq!(warnings(), 1, "with the third");
}

/// Random synchronous runs: what was applied is the mean of exactly the admitted gradients of each
/// round, nobody waits for ever, and no room is lost.
#[tokio::test(start_paused = true)]
async fn the_sum_of_updates_is_the_means_of_the_admitted() {
    for seed in 0..30 {
        let server = server(LearnerSettings {
            synchronous_workers: 2,
            straggler_timeout_ms: Some(50),
            bytes_in_flight: 8 * 4,
            ..learner(StalenessPolicy::Synchronous)
        });
        let mut tasks = Vec::new();
        for peer in [(); 4].map(|()| Peer::open(&server)) {
            tasks.push(tokio::spawn(random_worker(peer, seed)));
        }
        let mut admitted: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for task in tasks {
            for (version, value) in soon(task).await.unwrap() {
                admitted.entry(version).or_default().push(value);
            }
        }
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let expected: f64 = -admitted.values().map(mean).sum::<f64>();
        let found = f64::from(parameters(&server)[0]);
        assert!(
            (found - expected).abs() < 1e-3,
            "seed {seed}: {found} {expected}"
        );
        assert_eq!(server.version(), admitted.len() as u64, "seed {seed}");
        assert_eq!(server.metrics().bytes_in_flight.get(), 0, "seed {seed}");
    }
}

/// Pushes at random times, sometimes nonsense, and leaves; gives what was admitted, by version.
async fn random_worker(peer: Peer, seed: u64) -> Vec<(u64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed * 100 + peer.session);
    let mut admitted = Vec::new();
    for _ in 0..rng.random_range(1..20) {
        let version = peer.server.version();
        sleep(Duration::from_millis(rng.random_range(0..80))).await;
        let value = rng.random_range(-8..9) as f32;
        let broken = rng.random_range(0..10) == 0;
        let sent = if broken { f32::NAN } else { value };
        let outcome = peer.push(version, [sent; 2]).await;
        match outcome.verdict {
            Verdict::Applied => admitted.push((version, f64::from(value))),
            Verdict::NonFinite => assert!(broken),
            verdict => assert_eq!(verdict, Verdict::Late),
        }
    }
    peer.leave();
    admitted
}

/// Workers of very different speed: the bound holds at every apply, and all come to their end.
#[tokio::test(start_paused = true)]
async fn the_bound_holds_at_every_apply_and_nobody_waits_for_ever() {
    for seed in 0..20 {
        let bound = seed % 4;
        let server = server(LearnerSettings {
            bound_updates: bound,
            bytes_in_flight: 1,
            ..learner(StalenessPolicy::Bound)
        });
        let applied: Arc<Mutex<BTreeMap<SessionId, u64>>> = Arc::default();
        let peers = [(); 4].map(|()| Peer::open(&server));
        for peer in &peers {
            lock(&applied).insert(peer.session, 0);
        }
        let tasks = peers.map(|peer| {
            let applied = Arc::clone(&applied);
            tokio::spawn(async move {
                let mut rng = ChaCha8Rng::seed_from_u64(seed * 100 + peer.session);
                for _ in 0..rng.random_range(5..30) {
                    let pause = rng.random_range(0..10 * peer.session.pow(2));
                    sleep(Duration::from_millis(pause)).await;
                    let outcome = peer.push(peer.server.version(), [1.0; 2]).await;
                    assert_eq!(outcome.verdict, Verdict::Applied);
                    let mut applied = lock(&applied);
                    *applied.get_mut(&peer.session).unwrap() += 1;
                    let (slowest, fastest) = (applied.values().min(), applied.values().max());
                    assert!(
                        fastest.unwrap() - slowest.unwrap() <= bound + 1,
                        "seed {seed}"
                    );
                }
                lock(&applied).remove(&peer.session);
                peer.leave();
            })
        });
        for task in tasks {
            soon(task).await.unwrap();
        }
    }
}

/// Workers of very different speed that take weights once it is their turn: no gradient is older than
/// the policy promises, and the promise is not a loose one.
#[tokio::test(start_paused = true)]
async fn with_a_bound_no_gradient_is_older_than_promised() {
    const WORKERS: u64 = 4;
    for (bound, publish) in [(0, 1), (1, 1), (2, 1), (0, 3), (1, 5)] {
        let limit = (2 * bound + 1) * (WORKERS - 1) + publish - 1;
        let mut oldest = 0;
        for seed in 0..20 {
            let server = server(LearnerSettings {
                bound_updates: bound,
                publish: Publish::Updates(publish),
                ..learner(StalenessPolicy::Bound)
            });
            let peers = [(); WORKERS as usize].map(|()| Peer::open(&server));
            let tasks = peers.map(|peer| {
                tokio::spawn(async move {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed * 100 + peer.session);
                    for _ in 0..60 {
                        let turn = peer.server.turn(peer.session).await.unwrap();
                        let newest = peer.server.published().borrow().clone().unwrap();
                        assert!(newest.version >= turn);
                        let slow = if rng.random_range(0..4) == 0 { 50 } else { 1 };
                        let pause = rng.random_range(1..4) * slow;
                        sleep(Duration::from_millis(pause)).await;
                        peer.push(newest.version, [1.0; 2]).await;
                    }
                    peer.leave();
                })
            });
            for task in tasks {
                soon(task).await.unwrap();
            }
            oldest = oldest.max(server.progress().staleness_updates.max);
        }
        assert!(
            oldest <= limit,
            "s = {bound}: {oldest} updates old, not {limit}"
        );
        assert!(
            2 * oldest > limit,
            "s = {bound}: {oldest} updates old, far from {limit}"
        );
    }
}

#[tokio::test]
async fn a_run_whose_gradients_are_all_refused_ends_with_its_steps() {
    for policy in [StalenessPolicy::Accept, StalenessPolicy::Synchronous] {
        let mut experiment = experiment(learner(policy));
        experiment.experiment.total_env_steps = 30;
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(experiment, metrics));
        let peer = Peer::open(&server);
        for pushed in 1..=30 {
            assert_eq!(*server.phase().borrow(), Phase::Running, "after {pushed}");
            let refused = peer.push(0, [f32::NAN, 0.0]).await;
            assert_eq!(refused.verdict, Verdict::NonFinite);
        }
        assert!(matches!(*server.phase().borrow(), Phase::Finished(_)));
        let alarms = server.ledger().take_events().into_iter();
        let kind = "gradient with values that are not finite";
        let alarms = alarms.filter(|event| event.level == Level::Error && event.message == kind);
        assert_eq!(alarms.count(), 5, "thirty of a kind are too many");
    }
}
