//! How a run ends that learnt little, and one that somebody lied to.

use tokio::runtime::Runtime;
use troop_actor::link::{
    Connector, Contribution, EndpointSettings, GrpcLink, Interrupt, Link, LinkClosed, ReportLink,
};
use troop_common::experiment::ActorSettings;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::{Episode, LossTerm, Report};
use troop_common::role::Role;
use troop_tests::{Learner, Relay, Scratch, Signal, poll_until, serial};

/// The run is over and has not learnt.
const NOT_LEARNT: i32 = 3;

/// Env steps of a segment of `cartpole`: less than a report may have.
const SEGMENT: u64 = 80;

/// A worker without environments, that reports and sends what a test says.
struct Worker {
    link: GrpcLink,
    _runtime: Runtime,
}

impl Worker {
    fn open(learner: &Learner) -> Self {
        Self::open_as(None, learner)
    }

    fn open_as(role: Option<Role>, learner: &Learner) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = EndpointSettings {
            url: learner.url.clone(),
            tls: None,
            token: None,
            worker: "test/0".into(),
            role,
            actor: ActorSettings::default(),
            interrupt: Interrupt::default(),
            connector: Connector::System,
            jitter_seed: 1,
        };
        let (mut link, _, _) = GrpcLink::join(runtime.handle(), settings).unwrap();
        let tensor = TensorSpec {
            name: "w".into(),
            shape: vec![4],
            initializer: Initializer::Uniform(1.0),
        };
        link.open(&Layout::new(vec![tensor]).unwrap()).unwrap();
        Self {
            link,
            _runtime: runtime,
        }
    }

    /// Sends a gradient of four times `value`.
    fn push(&mut self, value: f32, report: Report) -> Result<(), LinkClosed> {
        let weights = self.link.weights()?;
        self.link.push(&mut Contribution {
            epoch: weights.epoch,
            version: weights.version,
            gradient: vec![value; 4],
            report,
        })
    }

    /// Tells of a segment, as one that only acts.
    fn report(&mut self) -> Result<(), LinkClosed> {
        let weights = self.link.weights()?;
        self.link.report(weights.epoch, &segment())
    }

    /// How the learner ends the session. Nothing more is sent meanwhile, for that would be counted.
    fn ended(&mut self) -> LinkClosed {
        poll_until("the session's end", || self.link.weights().err())
    }
}

fn segment() -> Report {
    Report {
        env_steps: SEGMENT,
        frames: SEGMENT,
        ..Report::default()
    }
}

/// A run of ten segments whose gradients are these.
fn run_of(scratch: &Scratch, gradients: [f32; 10]) -> troop_tests::Finished {
    let line = format!(
        "--experiment cartpole --run-dir run --steps {}",
        10 * SEGMENT
    );
    let learner = Learner::start(scratch, &line);
    let mut worker = Worker::open(&learner);
    for gradient in gradients {
        worker.push(gradient, segment()).unwrap();
    }
    assert!(matches!(worker.ended(), LinkClosed::Finished(_)));
    learner.process.wait()
}

#[test]
fn a_learner_whose_gradients_were_mostly_wrong_ends_as_a_failure_and_says_so() {
    let scratch = Scratch::new();
    let mut gradients = [f32::NAN; 10];
    gradients[3] = 1e-3;
    run_of(&scratch, gradients)
        .expect_code(NOT_LEARNT)
        .expect_text("9 of 10 gradients refused (9 non_finite)")
        .expect_text("more than half of its gradients were wrong");
    let events = scratch.run_files("run").events();
    let noted = events.iter().find(|event| {
        event["level"] == "error" && event["message"] == "run over, but little learnt"
    });
    let noted = noted.expect("the history says so");
    assert_eq!(
        noted["fields"]["gradients"],
        "9 of 10 gradients refused (9 non_finite)"
    );
    // A service that starts it again is not told for ever.
    let again = "troop-learner --resume --run-dir run --set learner.linger_s=0";
    scratch.run(again).expect_code(0).expect_text("9 of 10");
}

#[test]
fn a_learner_that_applied_nothing_ends_as_a_failure() {
    let scratch = Scratch::new();
    run_of(&scratch, [f32::NAN; 10])
        .expect_code(NOT_LEARNT)
        .expect_text("no gradient was applied");
}

#[test]
fn a_few_wrong_gradients_are_named_and_no_failure() {
    let scratch = Scratch::new();
    let mut gradients = [1e-3; 10];
    gradients[7] = f32::INFINITY;
    run_of(&scratch, gradients)
        .expect_code(0)
        .expect_text("1 of 10 gradients refused (1 non_finite)");
}

#[test]
fn training_that_diverges_at_once_ends_as_a_failure_and_its_last_line_says_so() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line = "troop train cartpole --workers 1 --steps 8000 --run-dir run \
                --set optimizer.learning_rate=1e30";
    let finished = scratch.run(line).expect_code(NOT_LEARNT);
    let last = finished.stdout.lines().last().unwrap_or_default();
    assert!(
        last.contains("gradients refused (") && last.contains("non_finite"),
        "{last}"
    );
}

#[test]
fn after_lies_the_run_goes_on_and_so_does_a_resumed_one() {
    let scratch = Scratch::new();
    let line = format!(
        "--experiment cartpole --run-dir run --steps {}",
        6 * SEGMENT
    );
    let learner = Learner::start(&scratch, &line);
    let mut honest = Worker::open(&learner);
    honest.push(1e-3, segment()).unwrap();
    let lies = [
        Report {
            env_steps: 1 << 63,
            ..Report::default()
        },
        Report {
            frames: u64::MAX,
            ..segment()
        },
        Report {
            episodes: vec![
                Episode {
                    return_sum: 1e308,
                    length: 9
                };
                100
            ],
            ..segment()
        },
        Report {
            losses: [1.7e308, -1.7e308]
                .map(|value| LossTerm {
                    term: "value".into(),
                    value,
                })
                .into(),
            ..segment()
        },
    ];
    for lie in lies {
        let mut liar = Worker::open(&learner);
        liar.push(1e-3, lie).unwrap();
        let LinkClosed::Failed(reason) = liar.ended() else {
            panic!("a lie ended the run");
        };
        assert!(reason.contains("cannot be"), "{reason}");
    }
    honest.push(1e-3, segment()).unwrap();
    drop(honest);
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
    let run = scratch.run_files("run");
    assert_eq!(run.state()["counters"]["env_steps"], 2 * SEGMENT);
    assert_eq!(run.summary()["finished"], false);
    let losses = run
        .progress()
        .into_iter()
        .map(|line| line["losses"].clone());
    assert!(
        losses
            .into_iter()
            .all(|losses| losses == serde_json::json!({}))
    );
    let resumed = Learner::start(&scratch, "--resume --run-dir run");
    let mut honest = Worker::open(&resumed);
    for _ in 0..4 {
        honest.push(1e-3, segment()).unwrap();
    }
    assert!(matches!(honest.ended(), LinkClosed::Finished(_)));
    let finished = resumed.process.wait().expect_code(0);
    finished.expect_text("4 of 10 gradients refused (4 malformed)");
}

/// What the learner says if somebody may be looking for its run.
const LINGERS: &str = "whoever looks for this run hears that it is over";

/// What it says if somebody has not found it.
const UNHEARD: &str = "somebody has not heard";

/// Time enough to be found, and more than a test takes.
const LONG: &str = "--set learner.linger_s=100 --set actor.reconnect_max_ms=100";

/// Waits until so many sessions are open.
fn expect_open(learner: &Learner, sessions: f64) {
    let sample = "troop_learner_role_sessions{role=\"bundled\"}";
    poll_until("sessions", || {
        (learner.http.metrics().value(sample) == sessions).then_some(())
    });
}

#[test]
fn a_learner_whose_workers_all_know_ends_at_once() {
    let scratch = Scratch::new();
    let finished = run_of(&scratch, [1e-3; 10]).expect_code(0);
    let lingers = finished.stderr.contains(LINGERS) || finished.stdout.contains(LINGERS);
    assert!(!lingers, "{finished:?}");
}

#[test]
fn an_actor_that_was_cut_off_at_the_end_hears_that_the_run_is_over() {
    let _serial = serial();
    let scratch = Scratch::new();
    let steps = 40 * SEGMENT;
    let line = format!(
        "--experiment cartpole --run-dir run --steps {steps} {LONG} --set environment.step_sleep_us=20000"
    );
    let learner = Learner::start(&scratch, &line);
    let relay = Relay::to(&learner.url);
    let start = |url: &str| scratch.start(&format!("troop-actor --learner {url} --workers 1"));
    let actor = start(&relay.url());
    expect_open(&learner, 1.0);
    relay.cut();
    expect_open(&learner, 0.0);
    let another = start(&learner.url);
    learner.process.wait_for(LINGERS);
    another.wait().expect_code(0);
    relay.join();
    actor.wait().expect_code(0);
    let finished = learner.process.wait().expect_code(0);
    assert!(!finished.stderr.contains(UNHEARD), "{finished:?}");
}

#[test]
fn a_replay_that_was_cut_off_at_the_end_hears_that_the_run_is_over() {
    let _serial = serial();
    let scratch = Scratch::new();
    let steps = 10 * SEGMENT;
    let line = format!(
        "--experiment cartpole-ape-x --run-dir run --steps {steps} {LONG} --set method.replay_start_env_steps=500"
    );
    let learner = Learner::start(&scratch, &line);
    let relay = Relay::to(&learner.url);
    let replay = scratch.start(&format!("troop-replay --learner {}", relay.url()));
    replay.wait_for("replay ready");
    let mut worker = Worker::open_as(Some(Role::Act), &learner);
    relay.cut();
    learner.process.wait_for("replay detached");
    while worker.report().is_ok() {}
    learner.process.wait_for(LINGERS);
    relay.join();
    replay.wait().expect_code(0);
    let finished = learner.process.wait().expect_code(NOT_LEARNT);
    assert!(!finished.stderr.contains(UNHEARD), "{finished:?}");
}

#[test]
fn a_run_that_was_over_is_told_of_when_it_is_started_again_and_a_signal_ends_that() {
    let _serial = serial();
    let scratch = Scratch::new();
    run_of(&scratch, [1e-3; 10]).expect_code(0);
    let learner = Learner::start(&scratch, &format!("--resume --run-dir run {LONG}"));
    let url = &learner.url;
    for line in [
        format!("troop-actor --learner {url}"),
        format!("troop-replay --learner {url}"),
        format!("troop-learner --shard 1 --lead {url}"),
    ] {
        scratch.run(&line).expect_code(0);
    }
    learner.process.wait_for(LINGERS);
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
}
