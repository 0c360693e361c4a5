//! How a run ends that learnt little, and one that somebody lied to.

use tokio::runtime::Runtime;
use troop_actor::link::{
    Connector, Contribution, EndpointSettings, GrpcLink, Interrupt, Link, LinkClosed,
};
use troop_common::experiment::ActorSettings;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::{Episode, LossTerm, Report};
use troop_tests::{Learner, Scratch, Signal, poll_until, serial};

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
        let runtime = Runtime::new().unwrap();
        let settings = EndpointSettings {
            url: learner.url.clone(),
            tls: None,
            token: None,
            worker: "test/0".into(),
            role: None,
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
    let again = "troop-learner --resume --run-dir run";
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
