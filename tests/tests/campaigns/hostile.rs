//! A client that sends what no worker would, a field or a few at a time.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::call_error::CallError;
use troop_common::proto::v1::Acknowledgement;

use crate::fields::{FIELDS, Scene};
use crate::peer::{ELEMENTS, NO_ANSWER, Peer, Session, gradient, runtime};
use crate::seeds::each_seed;
use crate::site::{Site, json};

/// Scenes with several fields at once, for each seed.
const MIXED_SCENES: usize = 100;

/// A name, a label or a term must not stay for each that somebody thinks of.
const MOST_METRICS_BYTES: usize = 256 << 10;

#[test]
fn no_value_of_any_field_does_more_than_end_its_session() {
    each_seed("hostile client", |rng| {
        let site = Site::new("--set environment.normalize_observations=true");
        let runtime = runtime();
        runtime.block_on(async {
            let mut peer = Peer::connect(&site.learner.url).await.expect("it listens");
            let right = session(&mut peer, Scene::new())
                .await
                .expect("nothing is wrong with it");
            assert_eq!(right.sequence, 1, "{right:?}");
            for (name, put) in FIELDS {
                for value in 0..put.values() {
                    let mut scene = Scene::new();
                    put.put(&mut scene, value);
                    play(&site, &mut peer, scene, &format!("{name}, value {value}")).await;
                }
            }
            for number in 0..MIXED_SCENES {
                let scene = mixed(rng);
                play(&site, &mut peer, scene, &format!("mixed scene {number}")).await;
            }
        });
        site.check("after hostile values");
        check_what_is_shown(&site);
        let log = site.end().stderr;
        let forged = log.lines().find(|line| line.starts_with("INFO forged"));
        assert_eq!(forged, None);
        assert!(
            !log.contains('\u{1b}'),
            "a terminal would obey what a peer has said"
        );
    });
}

fn mixed(rng: &mut ChaCha8Rng) -> Scene {
    let mut scene = Scene::new();
    for _ in 0..rng.random_range(2..6) {
        let (_, put) = FIELDS[rng.random_range(0..FIELDS.len())];
        put.put(&mut scene, rng.random_range(0..put.values()));
    }
    scene
}

/// One session; however it ends, it has an end, and the next one can be opened.
async fn play(site: &Site, peer: &mut Peer, scene: Scene, what: &str) {
    let Err(status) = session(peer, scene).await else {
        return;
    };
    assert_ne!(status.message(), NO_ANSWER, "{what}");
    if CallError::of(&status).is_none() {
        // A connection is more than a session; it may be ended for what no library would send.
        *peer = Peer::connect(&site.learner.url).await.expect("it listens");
    }
}

async fn session(peer: &mut Peer, scene: Scene) -> Result<Acknowledgement, tonic::Status> {
    let joined = peer.join(scene.join).await?;
    let mut open = scene.open;
    if open.session == 0 {
        open.session = joined.session;
    }
    if open.secret == 0 {
        open.secret = joined.secret;
    }
    let next = scene.chunk.sequence.wrapping_add(1);
    let mut session = Session::begin(peer, open).await?;
    // It is open.
    session.next().await?;
    session.send(scene.chunk).await?;
    let lone = scene.lone.is_some();
    if let Some(lone) = scene.lone {
        session.report(lone).await?;
    }
    let next = next.wrapping_add(u64::from(lone));
    // Where only a part was sent it is given up once the next one begins.
    session.send(gradient(next, &[1e-3; ELEMENTS])).await?;
    session.answer().await
}

/// Whatever was reported, people are shown numbers, and few of them.
fn check_what_is_shown(site: &Site) {
    let status = json(site.learner.http, "/api/status");
    let progress = &status["progress"];
    let capacity = site.learner.http.get("/metrics");
    assert!(
        capacity.body.len() < MOST_METRICS_BYTES,
        "{} bytes of metrics",
        capacity.body.len()
    );
    let mean = progress["return_mean_100"].as_f64();
    assert!(mean.is_some_and(f64::is_finite), "{progress}");
    let most = 1_u64 << 40;
    for counter in ["env_steps", "frames", "episodes", "environment_restarts"] {
        let found = progress["counters"][counter]
            .as_u64()
            .or(progress[counter].as_u64());
        assert!(
            found.is_some_and(|count| count < most),
            "{counter}: {progress}"
        );
    }
}
