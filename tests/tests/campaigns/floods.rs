//! More connections than a learner may open files, of peers that say nothing, little or nonsense.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::proto::v1::StatusRequest;

use crate::peer::{Peer, runtime};
use crate::seeds::{each_seed, is_long};
use crate::site::{Site, soon};
use crate::vitals::{open_files, raise_own_limit};

/// What many systems allow a process.
const MOST_FILES: usize = 1_024;

/// Connections of a flood.
const CONNECTIONS: usize = 1_300;

/// What such a peer says before it falls silent.
const WORDS: [&[u8]; 10] = [
    b"",
    b"P",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    // The whole preface and a frame of settings: a connection without a call.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x40\0\x01\x04\0\0\0\x01",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0\xef\xee\xed\xec\xeb\xea\xe9\xe8",
];

#[test]
fn a_flood_of_connections_holds_nobody_up() {
    raise_own_limit();
    each_seed("flood", |rng| {
        let ports = if is_long() {
            vec![true, false]
        } else {
            Vec::new()
        };
        mixed_flood(rng);
        if is_long() {
            asked_once();
        }
        for grpc in ports {
            for words in WORDS {
                flood(
                    &|_| (grpc, words),
                    &format!("{words:?} to gRPC: {grpc}"),
                    rng,
                );
            }
        }
    });
}

fn mixed_flood(rng: &mut ChaCha8Rng) {
    let choices: Vec<(bool, &[u8])> = (0..CONNECTIONS)
        .map(|_| (rng.random(), WORDS[rng.random_range(0..WORDS.len())]))
        .collect();
    flood(&|i| choices[i], "mixed words to both ports", rng);
}

fn flood(word: &dyn Fn(usize) -> (bool, &'static [u8]), what: &str, rng: &mut ChaCha8Rng) {
    let site = Site::limited("", Some(MOST_FILES));
    let process = site.learner.process.id();
    let before = open_files(process);
    let grpc = site.learner.url.trim_start_matches("http://");
    let grpc: SocketAddr = grpc.parse().expect("it listens on a port");
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let (to_grpc, words) = word(number);
        let address = if to_grpc {
            grpc
        } else {
            site.learner.http.address
        };
        held.extend(connect(address, words));
    }
    println!(
        "{what}: {} connections, {} files",
        held.len(),
        open_files(process)
    );
    site.worker.must_train(&format!("during a flood, {what}"));
    site.is_healthy(&format!("during a flood, {what}"));
    site.writes_checkpoints(&format!("during a flood, {what}"));
    site.admits_another_worker(&format!("during a flood, {what}"));
    // Some hang up at a moment of their own.
    for _ in 0..held.len() / 2 {
        held.swap_remove(rng.random_range(0..held.len()));
    }
    site.check(&format!("after half of a flood, {what}"));
    drop(held);
    soon(&format!("{what}: its connections closed"), || {
        (open_files(process) <= before + 16).then_some(())
    });
    site.check(&format!("after a flood, {what}"));
    site.end();
}

/// Connections that a library keeps alive after one call each.
fn asked_once() {
    let site = Site::limited("", Some(MOST_FILES));
    let runtime = runtime();
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let asked = runtime.block_on(async {
            let peer = Peer::connect(&site.learner.url).await?;
            let mut client = peer.client.clone();
            let status = client.status(StatusRequest {});
            let answer = tokio::time::timeout(Duration::from_secs(1), status).await;
            Ok::<_, tonic::Status>((peer, answer.is_ok()))
        });
        match asked {
            Ok((peer, true)) => held.push(peer),
            _ => break,
        }
    }
    println!("asked once: {} connections", held.len());
    site.check("while many are there that have asked once");
    site.writes_checkpoints("while many are there that have asked once");
    site.admits_another_worker("while many are there that have asked once");
    runtime.block_on(async { drop(held) });
    site.end();
}

/// None where the learner does not take it.
fn connect(address: SocketAddr, words: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    // It may have been closed already.
    let _ = stream.write_all(words);
    Some(stream)
}
