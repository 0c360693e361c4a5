//! The first layout that a run sees decides what it holds: a small message must not take it down.

use std::time::{Duration, Instant};

use troop_common::proto::v1::tensor::Initializer;
use troop_common::proto::v1::{Layout, Open, Tensor, Zeros};
use troop_tests::{Learner, Scratch, Signal};

use crate::peer::{Peer, Session, join_request, runtime};
use crate::seeds::is_long;
use crate::vitals::memory_bytes;

fn tensor(shape: &[u64], initializer: Initializer) -> Tensor {
    Tensor {
        name: "w".into(),
        shape: shape.to_vec(),
        initializer: Some(initializer),
    }
}

#[test]
fn a_first_layout_of_any_size_is_refused_or_opened_while_the_learner_answers() {
    let gain = Initializer::OrthogonalGain;
    let mut layouts = vec![
        tensor(&[1 << 28], Initializer::Zeros(Zeros {})),
        tensor(&[(1 << 28) + 1], Initializer::Zeros(Zeros {})),
        tensor(&[16_384, 16_384], gain(1.0)),
        tensor(&[2_048, 2_048], gain(f32::NAN)),
        tensor(&[u64::MAX, u64::MAX], Initializer::UniformBound(1.0)),
    ];
    if is_long() {
        layouts.extend([
            tensor(&[4_096, 4_096], gain(1.0)),
            tensor(&[1 << 27, 2], gain(1.0)),
            tensor(&[2, 1 << 27], gain(1.0)),
            tensor(&[1 << 28], Initializer::ForgetGateBias(f32::INFINITY)),
            tensor(&[1 << 28], Initializer::Constant(f32::NAN)),
            tensor(&[1 << 28], Initializer::UniformBound(f32::MAX)),
        ]);
    }
    for layout in layouts {
        check(layout);
    }
}

/// `/healthz` answers while the layout is drawn, and SIGTERM ends the learner.
fn check(tensor: Tensor) {
    let what = format!("{:?} {:?}", tensor.shape, tensor.initializer);
    let scratch = Scratch::new();
    let learner = Learner::start(&scratch, "--experiment cartpole --run-dir run");
    let runtime = runtime();
    let url = learner.url.clone();
    let layout = Some(Layout {
        tensors: vec![tensor],
    });
    let opening = runtime.spawn(async move {
        let mut peer = Peer::connect(&url).await?;
        let joined = peer.join(join_request()).await?;
        let open = Open {
            session: joined.session,
            secret: joined.secret,
            layout,
        };
        let mut session = Session::begin(&mut peer, open).await?;
        session.next().await.map(drop)
    });
    runtime.block_on(async {
        // Long enough for the layout to be there, whether or not it is drawn by then.
        let _ = tokio::time::timeout(Duration::from_secs(1), opening).await;
    });
    let began = Instant::now();
    let healthy = learner.http.get("/healthz");
    assert_eq!(healthy.status, 200, "{what}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{what}: {:?}",
        began.elapsed()
    );
    println!("{what}: {} MiB", memory_bytes(learner.process.id()) >> 20);
    learner.process.signal(Signal::TERM);
    // It writes 2 GiB first, at the speed of a disk that others use too.
    learner.process.wait().expect_code(0);
}
