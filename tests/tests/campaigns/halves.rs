//! Peers that begin something and do not end it.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use troop_common::wire::path;

use crate::peer::{ELEMENTS, Peer, Session, Unfinished, gradient, join_request, runtime};
use crate::seeds::each_seed;
use crate::site::Site;
use crate::vitals::memory_bytes;

/// Bytes of a gradient; room for three of them.
const ROOM: usize = 3 * ELEMENTS * size_of::<f32>();

/// Halves of each kind.
const HALVES: usize = 40;

/// Who began a gradient has 30 s to end it, and what has room has it for as long.
const PATIENCE: Duration = Duration::from_secs(75);

/// What they may make the learner hold while they last.
const MEMORY_BYTES: u64 = 256 << 20;

#[test]
fn what_is_half_received_is_not_waited_for_and_holds_nobody_up() {
    each_seed("half messages", |rng| {
        let site = Site::new(&format!("--set learner.bytes_in_flight={ROOM}"));
        let before = memory_bytes(site.learner.process.id());
        let runtime = runtime();
        let held = runtime.block_on(begin_halves(&site, rng));
        site.is_healthy("during half messages");
        site.worker
            .must_train_within(PATIENCE, "during half messages");
        site.check("during half messages");
        site.admits_another_worker("during half messages");
        let grown = memory_bytes(site.learner.process.id()).saturating_sub(before);
        println!("half messages hold {} MiB", grown >> 20);
        assert!(grown <= MEMORY_BYTES, "{grown} bytes more");
        runtime.block_on(async { drop(held) });
        site.check("after half messages");
        site.end();
    });
}

/// What is held for as long as the halves last.
#[derive(Default)]
struct Held {
    sessions: Vec<Session>,
    calls: Vec<Unfinished>,
    peers: Vec<Peer>,
}

async fn begin_halves(site: &Site, rng: &mut ChaCha8Rng) -> Held {
    let mut held = Held::default();
    let mut kinds: Vec<usize> = (0..5 * HALVES).map(|i| i % 5).collect();
    kinds.shuffle(rng);
    for kinds in kinds.chunks(32) {
        let mut peer = Peer::connect(&site.learner.url).await.expect("it listens");
        for kind in kinds {
            // What is refused holds nothing.
            let _ = begin(&mut peer, *kind, rng, &mut held).await;
        }
        held.peers.push(peer);
    }
    held
}

async fn begin(
    peer: &mut Peer,
    kind: usize,
    rng: &mut ChaCha8Rng,
    held: &mut Held,
) -> Result<(), tonic::Status> {
    match kind {
        // Half a gradient, which has taken its room.
        0 => {
            let session = Session::open(peer).await?;
            let mut chunk = gradient(1, &[1e-3; ELEMENTS]);
            chunk.data.truncate(ELEMENTS / 2 * size_of::<f32>());
            chunk.report = None;
            session.send(chunk).await?;
            held.sessions.push(session);
        }
        // A message that was announced, and some of it.
        1 => {
            let call = [path::JOIN, path::STATUS, path::TRAIN][rng.random_range(0..3)];
            let sent = [0, 100, 100_000, 3_900_000][rng.random_range(0..4)];
            let mut bytes = vec![0, 0, 0x3f, 0xff, 0xff];
            bytes.resize(5 + sent, 0x0a);
            held.calls.push(peer.begin(call, bytes).await?);
        }
        // A session that has joined and never opens.
        2 => {
            peer.join(join_request()).await?;
        }
        // One that has opened and says nothing.
        3 => held.sessions.push(Session::open(peer).await?),
        // Weights that nobody reads.
        _ => held.calls.push(peer.begin(path::WATCH, vec![0; 5]).await?),
    }
    Ok(())
}
