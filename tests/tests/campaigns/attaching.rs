//! Replays and shards that say to a learner what none of them would.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::attach_replay_request::Kind;
use troop_common::proto::v1::{
    Arrived, ArrivedSession, AttachOpen, AttachReplayRequest, CutGivenUp, Layout, ReplayCounts,
    RoundStepped, RoundSum, ShardChunk, ShardCounts, ShardPart, Tensor,
};
use troop_tests::{Learner, Scratch, Signal};

use crate::fields::{Put, check_all_known};
use crate::peer::{ANSWER, NO_ANSWER, Peer, runtime};
use crate::site::{json, soon};

/// What one replay says, all of it right at first.
struct AttachScene {
    open: AttachOpen,
    counts: ReplayCounts,
}

impl AttachScene {
    fn new() -> Self {
        Self {
            open: AttachOpen {
                protocol: PROTOCOL,
                software: "a campaign".into(),
                url: "http://127.0.0.1:1".into(),
                life: 7,
                index: None,
                shard: None,
            },
            counts: ReplayCounts::default(),
        }
    }
}

/// Each by its name in the contract.
const FIELDS: &[(&str, Put<AttachScene>)] = &[
    (
        "AttachOpen.protocol",
        Put::Number(|it, n| it.open.protocol = n as u32),
    ),
    (
        "AttachOpen.software",
        Put::Text(|it, text| it.open.software = text),
    ),
    ("AttachOpen.url", Put::Text(|it, text| it.open.url = text)),
    ("AttachOpen.life", Put::Number(|it, n| it.open.life = n)),
    (
        "AttachOpen.index",
        Put::Number(|it, n| it.open.index = Some(n as u32)),
    ),
    (
        "AttachOpen.shard",
        Put::Number(|it, n| it.open.shard = Some(n as u32)),
    ),
    (
        "AttachReplayRequest.counts",
        Put::Number(|it, n| {
            it.counts = ReplayCounts {
                items_held: n,
                bytes_held: n,
                env_steps_inserted: n,
                items_drawn: n,
                drawn_age_versions: n,
                ..ReplayCounts::default()
            };
        }),
    ),
];

#[test]
fn every_field_that_a_replay_sends_is_in_the_table() {
    let known = |field: &str| {
        field.starts_with("AttachReplayRequest.") || FIELDS.iter().any(|(name, _)| *name == field)
    };
    check_all_known(
        "parameter_server",
        &["AttachReplayRequest", "AttachOpen"],
        known,
    );
}

#[test]
fn no_value_of_any_field_does_more_than_end_its_attachment() {
    let scratch = Scratch::new();
    let learner = Learner::start(&scratch, "--experiment cartpole-ape-x --run-dir run");
    runtime().block_on(async {
        let mut peer = Peer::connect(&learner.url).await.expect("it listens");
        let right = play(&mut peer, AttachScene::new()).await;
        right.expect("nothing is wrong with it");
        for (name, put) in FIELDS {
            for value in 0..put.values() {
                let mut scene = AttachScene::new();
                put.put(&mut scene, value);
                if let Err(status) = play(&mut peer, scene).await {
                    assert_ne!(status.message(), NO_ANSWER, "{name}, value {value}");
                }
            }
        }
    });
    soon("all replays to be gone", || {
        let status = json(learner.http, "/api/status");
        (status["replays"][0]["attached"] == false).then_some(())
    });
    learner.http.metrics();
    learner.process.signal(Signal::TERM);
    let log = learner.process.wait().expect_code(0).stderr;
    assert!(!log.contains('\u{1b}'), "a terminal would obey it");
}

/// What one shard says, none of it asked for.
#[derive(Default)]
struct ShardScene {
    counts: ShardCounts,
    arrived: Arrived,
    part: ShardPart,
    chunk: ShardChunk,
    given_up: CutGivenUp,
    sum: RoundSum,
    stepped: RoundStepped,
}

impl ShardScene {
    fn kinds(self) -> [Kind; 8] {
        let open = AttachOpen {
            shard: Some(1),
            ..AttachScene::new().open
        };
        [
            Kind::Open(open),
            Kind::Shard(self.counts),
            Kind::Arrived(self.arrived),
            Kind::Part(self.part),
            Kind::Chunk(self.chunk),
            Kind::GivenUp(self.given_up),
            Kind::Sum(self.sum),
            Kind::Stepped(self.stepped),
        ]
    }
}

/// Each by its name in the contract.
const SHARD_FIELDS: &[(&str, Put<ShardScene>)] = &[
    (
        "ShardCounts.version",
        Put::Number(|it, n| it.counts.version = n),
    ),
    (
        "ShardCounts.begun",
        Put::Number(|it, n| it.counts.begun = n > 0),
    ),
    ("Arrived.cut", Put::Number(|it, n| it.arrived.cut = n)),
    (
        "Arrived.sessions",
        Put::Count(|it, n| it.arrived.sessions = vec![ArrivedSession::default(); n]),
    ),
    ("ShardPart.cut", Put::Number(|it, n| it.part.cut = n)),
    (
        "ShardPart.version",
        Put::Number(|it, n| it.part.version = n),
    ),
    (
        "ShardPart.target_taken_at_version",
        Put::Number(|it, n| it.part.target_taken_at_version = Some(n)),
    ),
    (
        "ShardPart.layout",
        Put::Count(|it, n| {
            let tensors = vec![Tensor::default(); n];
            it.part.layout = Some(Layout { tensors });
        }),
    ),
    ("ShardChunk.cut", Put::Number(|it, n| it.chunk.cut = n)),
    (
        "ShardChunk.vector",
        Put::Number(|it, n| it.chunk.vector = n as u32),
    ),
    (
        "ShardChunk.offset_elements",
        Put::Number(|it, n| it.chunk.offset_elements = n),
    ),
    (
        "ShardChunk.data",
        Put::Length(|it, n| it.chunk.data = vec![0; n].into()),
    ),
    ("CutGivenUp.cut", Put::Number(|it, n| it.given_up.cut = n)),
    ("RoundSum.number", Put::Number(|it, n| it.sum.number = n)),
    (
        "RoundSum.norm",
        Put::Number(|it, n| it.sum.norm = f64::from_bits(n)),
    ),
    (
        "RoundSum.missing",
        Put::Count(|it, n| it.sum.missing = vec![0; n]),
    ),
    (
        "RoundStepped.number",
        Put::Number(|it, n| it.stepped.number = n),
    ),
];

#[test]
fn every_field_that_a_shard_sends_is_in_the_table() {
    let known = |field: &str| SHARD_FIELDS.iter().any(|(name, _)| *name == field);
    let messages = [
        "ShardCounts",
        "Arrived",
        "ShardPart",
        "ShardChunk",
        "CutGivenUp",
        "RoundSum",
        "RoundStepped",
    ];
    check_all_known("parameter_server", &messages, known);
}

#[test]
fn nothing_that_a_shard_says_unasked_does_more_than_end_its_attachment() {
    let scratch = Scratch::new();
    let line = "--experiment cartpole --run-dir run --set learner.shards=2";
    let learner = Learner::start(&scratch, line);
    runtime().block_on(async {
        let mut peer = Peer::connect(&learner.url).await.expect("it listens");
        for (name, put) in SHARD_FIELDS {
            for value in 0..put.values() {
                let mut scene = ShardScene::default();
                put.put(&mut scene, value);
                if let Err(status) = play_all(&mut peer, scene.kinds()).await {
                    assert_ne!(status.message(), NO_ANSWER, "{name}, value {value}");
                }
            }
        }
    });
    learner.http.metrics();
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
}

/// One attachment, to its end.
async fn play(peer: &mut Peer, scene: AttachScene) -> Result<(), Status> {
    play_all(peer, [Kind::Open(scene.open), Kind::Counts(scene.counts)]).await
}

/// One attachment that says all this.
async fn play_all(peer: &mut Peer, kinds: impl IntoIterator<Item = Kind>) -> Result<(), Status> {
    let (requests, stream) = mpsc::channel(8);
    for kind in kinds {
        let request = AttachReplayRequest { kind: Some(kind) };
        requests.try_send(request).expect("there is room");
    }
    let attached = peer.client.attach_replay(ReceiverStream::new(stream));
    let mut answers = within(attached).await?.into_inner();
    within(answers.message()).await?;
    drop(requests);
    // It is gone before the next one comes.
    within(answers.message()).await?;
    Ok(())
}

async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(NO_ANSWER)))
}
