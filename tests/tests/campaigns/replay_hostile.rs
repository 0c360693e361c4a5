//! Callers of a replay that say what no worker would, half of it, or nothing.

use std::net::TcpStream;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use troop_common::proto::v1::append_request::Kind as Append;
use troop_common::proto::v1::draw_request::Kind as Draw;
use troop_common::proto::v1::replay_client::ReplayClient;
use troop_common::proto::v1::{
    AppendRequest, AppendResponse, DrawRequest, DrawResponse, ReplayStatusRequest,
};
use troop_common::wire::path;

use crate::peer::{ANSWER, NO_ANSWER, Peer, Unfinished, runtime};
use crate::replay_fields::{REPLAY_FIELDS, ReplayScene};
use crate::replay_site::ReplaySite;
use crate::seeds::each_seed;
use crate::vitals::raise_own_limit;

/// Scenes with several fields at once, for each seed.
const MIXED_SCENES: usize = 60;

/// Halves of each kind.
const HALVES: usize = 60;

/// What halves of all kinds may take.
const HALVES_BYTES: u64 = 128 << 20;

const MOST_FILES: usize = 512;
const CONNECTIONS: usize = 700;

/// A stream of each call.
struct Streams {
    appends: mpsc::Sender<AppendRequest>,
    appended: Streaming<AppendResponse>,
    draws: mpsc::Sender<DrawRequest>,
    drawn: Streaming<DrawResponse>,
}

async fn connect(url: &str) -> Result<ReplayClient<tonic::transport::Channel>, Status> {
    let client = ReplayClient::connect(url.to_owned()).await;
    let client = client.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(client.max_encoding_message_size(usize::MAX))
}

/// Says a scene, to the end of both streams or of what they answer.
async fn play(url: &str, scene: ReplayScene) -> Result<(), Status> {
    let mut client = connect(url).await?;
    let mut streams = open(&mut client, &scene).await?;
    within(streams.appended.message()).await?;
    let segment = AppendRequest {
        kind: Some(Append::Segment(scene.chunk)),
    };
    ended(streams.appends.send(segment).await)?;
    within(streams.drawn.message()).await?;
    for kind in [
        Draw::Priorities(scene.priorities),
        Draw::Demand(scene.demand),
    ] {
        ended(streams.draws.send(DrawRequest { kind: Some(kind) }).await)?;
    }
    within(streams.drawn.message()).await?;
    drop(streams.appends);
    while within(streams.appended.message()).await?.is_some() {}
    let status = within(client.replay_status(ReplayStatusRequest {})).await?;
    let counts = status.into_inner().counts.unwrap_or_default();
    assert!(counts.bytes_held <= counts.bytes_limit, "{counts:?}");
    Ok(())
}

async fn open(
    client: &mut ReplayClient<tonic::transport::Channel>,
    scene: &ReplayScene,
) -> Result<Streams, Status> {
    let (appends, stream) = mpsc::channel(4);
    let kind = Some(Append::Open(scene.append_open.clone()));
    ended(appends.send(AppendRequest { kind }).await)?;
    let appended = within(client.append(ReceiverStream::new(stream))).await?;
    let (draws, stream) = mpsc::channel(4);
    let kind = Some(Draw::Open(scene.draw_open.clone()));
    ended(draws.send(DrawRequest { kind }).await)?;
    let drawn = within(client.draw(ReceiverStream::new(stream))).await?;
    Ok(Streams {
        appends,
        appended: appended.into_inner(),
        draws,
        drawn: drawn.into_inner(),
    })
}

fn ended<T>(sent: Result<(), mpsc::error::SendError<T>>) -> Result<(), Status> {
    sent.map_err(|_| Status::aborted("the stream has ended"))
}

async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(NO_ANSWER)))
}

#[test]
fn no_value_of_any_field_does_more_than_end_its_streams() {
    each_seed("hostile callers of a replay", |rng| {
        let site = ReplaySite::new();
        let runtime = runtime();
        runtime.block_on(async {
            play(&site.url, ReplayScene::new())
                .await
                .expect("nothing is wrong with it");
            for (name, put) in REPLAY_FIELDS {
                for value in 0..put.values() {
                    let mut scene = ReplayScene::new();
                    put.put(&mut scene, value);
                    must_end(
                        play(&site.url, scene).await,
                        &format!("{name}, value {value}"),
                    );
                }
            }
            for number in 0..MIXED_SCENES {
                let scene = mixed(rng);
                must_end(
                    play(&site.url, scene).await,
                    &format!("mixed scene {number}"),
                );
            }
        });
        site.check("after hostile values");
        let log = site.end().stderr;
        let forged = log.lines().find(|line| line.starts_with("INFO forged"));
        assert_eq!(forged, None);
        assert!(
            !log.contains('\u{1b}'),
            "a terminal would obey what a peer has said"
        );
    });
}

/// However it ends, it does.
fn must_end(outcome: Result<(), Status>, what: &str) {
    if let Err(status) = outcome {
        assert_ne!(status.message(), NO_ANSWER, "{what}");
    }
}

fn mixed(rng: &mut ChaCha8Rng) -> ReplayScene {
    let mut scene = ReplayScene::new();
    for _ in 0..rng.random_range(2..5) {
        let (_, put) = REPLAY_FIELDS[rng.random_range(0..REPLAY_FIELDS.len())];
        put.put(&mut scene, rng.random_range(0..put.values()));
    }
    scene
}

#[test]
fn halves_and_silence_hold_little_and_nobody_up() {
    each_seed("half messages to a replay", |rng| {
        let site = ReplaySite::new();
        let runtime = runtime();
        let held = runtime.block_on(begin_halves(&site.url, rng));
        site.check("during half messages");
        site.admits_others("during half messages");
        let grown = site.grown();
        println!("half messages hold {} MiB", grown >> 20);
        assert!(grown <= HALVES_BYTES, "{grown} bytes more");
        runtime.block_on(async { drop(held) });
        site.check("after half messages");
        site.end();
    });
}

/// What is held for as long as the halves last.
#[derive(Default)]
struct Held {
    streams: Vec<Streams>,
    calls: Vec<Unfinished>,
    peers: Vec<Peer>,
}

async fn begin_halves(url: &str, rng: &mut ChaCha8Rng) -> Held {
    let mut held = Held::default();
    for number in 0..HALVES {
        // What is refused holds nothing.
        let _ = begin(url, number, rng, &mut held).await;
    }
    held
}

async fn begin(
    url: &str,
    number: usize,
    rng: &mut ChaCha8Rng,
    held: &mut Held,
) -> Result<(), Status> {
    let mut scene = ReplayScene::new();
    match number % 3 {
        // Half a segment, of many that was announced; a demand whose answer nobody reads.
        0 => {
            let mut client = connect(url).await?;
            let streams = open(&mut client, &scene).await?;
            scene.chunk.total_bytes = 64 << 20;
            let kind = Some(Append::Segment(scene.chunk));
            ended(streams.appends.send(AppendRequest { kind }).await)?;
            let kind = Some(Draw::Demand(scene.demand));
            ended(streams.draws.send(DrawRequest { kind }).await)?;
            held.streams.push(streams);
        }
        // Both streams open, and nothing else.
        1 => {
            let mut client = connect(url).await?;
            held.streams.push(open(&mut client, &scene).await?);
        }
        // A message that was announced, and some of it.
        _ => {
            let mut peer = Peer::connect(url).await?;
            let call = [path::APPEND, path::DRAW, path::REPLAY_STATUS][rng.random_range(0..3)];
            let sent = [0, 100, 100_000, 3_900_000][rng.random_range(0..4)];
            let mut bytes = vec![0, 0, 0x3f, 0xff, 0xff];
            bytes.resize(5 + sent, 0x0a);
            held.calls.push(peer.begin(call, bytes).await?);
            held.peers.push(peer);
        }
    }
    Ok(())
}

#[test]
fn a_flood_of_connections_to_a_replay_holds_nobody_up() {
    raise_own_limit();
    each_seed("a flood of a replay", |_| {
        let site = ReplaySite::limited(Some(MOST_FILES));
        let address = site.url.trim_start_matches("http://").to_owned();
        let silent: Vec<TcpStream> = (0..CONNECTIONS)
            .filter_map(|_| TcpStream::connect(&address).ok())
            .collect();
        site.check("during a flood");
        site.admits_others("during a flood");
        drop(silent);
        site.check("after a flood");
        site.end();
    });
}
