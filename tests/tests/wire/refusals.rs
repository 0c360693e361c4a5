//! What must not touch the parameters, and callers that are turned away.

use std::path::PathBuf;

use bytes::Bytes;
use tonic::Code;
use troop_actor::link::{Link, LinkClosed};
use troop_common::call_error::CallError;
use troop_common::experiment::ActorSettings;
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::train_request::Kind as Up;
use troop_common::proto::v1::{GradientChunk, JoinRequest, Open, StatusRequest, Verdict};
use troop_common::token::BearerToken;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;

use crate::raw_session::{RawSession, connect, gradient, join_request};
use crate::rig::{Learner, Peer, endpoint, experiment, layout, runtime};

/// Sends chunks after one good gradient; the last one is answered as expected, and the good
/// gradient stays the only one that was applied.
fn check(chunks: Vec<GradientChunk>, verdict: Verdict, detail: &str) {
    let learner = Learner::start(&experiment());
    let layout = layout(4);
    runtime().block_on(async {
        let mut session = RawSession::open(&learner.url(), &layout).await;
        session.send(gradient(1, 0, &[1.0; 4])).await;
        assert_eq!(session.answer().await.verdict(), Verdict::Applied);
        let before = learner.parameters();
        let sequence = chunks.last().unwrap().sequence;
        for chunk in chunks {
            session.send(chunk).await;
        }
        let answer = session.answer().await;
        assert_eq!((answer.sequence, answer.verdict()), (sequence, verdict));
        assert!(answer.detail.contains(detail), "{}", answer.detail);
        assert_eq!(learner.parameters(), before);
        assert_eq!(learner.server.version(), 1);
        // The session goes on.
        session.send(gradient(1_000, 1, &[1.0; 4])).await;
        assert_eq!(session.answer().await.verdict(), Verdict::Applied);
    });
    let rejected = &learner.server.progress().counters.rejected;
    assert_eq!(rejected.values().sum::<u64>(), 1, "{rejected:?}");
}

#[test]
fn a_sum_is_of_as_many_gradients_as_the_experiment_says() {
    for gradients in [2, u64::MAX] {
        let sum = GradientChunk {
            gradients,
            ..gradient(2, 1, &[1.0; 4])
        };
        check(vec![sum], Verdict::Malformed, "actor.relay_workers");
    }
}

#[test]
fn a_sequence_number_passes_once() {
    let again = gradient(1, 1, &[1.0; 4]);
    check(vec![again], Verdict::Duplicate, "not above the last one, 1");
}

#[test]
fn gradients_of_another_life_are_refused() {
    for epoch in [0, 2] {
        let other = GradientChunk {
            epoch,
            ..gradient(2, 1, &[1.0; 4])
        };
        check(vec![other], Verdict::WrongEpoch, "this is epoch 1");
    }
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bad = gradient(2, 1, &[1.0, value, 1.0, 1.0]);
        check(vec![bad], Verdict::NonFinite, "infinite or not a number");
    }
}

#[test]
fn vectors_of_another_length_are_malformed() {
    let short = gradient(2, 1, &[1.0; 3]);
    check(vec![short], Verdict::Malformed, "3 elements; expected 4");
}

#[test]
fn unknown_encodings_are_malformed() {
    let unknown = GradientChunk {
        encoding: 9,
        ..gradient(2, 1, &[1.0; 4])
    };
    check(vec![unknown], Verdict::Malformed, "unknown encoding 9");
}

#[test]
fn bytes_that_do_not_fit_are_malformed() {
    for data in [&b""[..], b"123", &[0; 20]] {
        let odd = GradientChunk {
            data: Bytes::from_static(data),
            ..gradient(2, 1, &[1.0; 4])
        };
        check(vec![odd], Verdict::Malformed, "bytes");
    }
}

#[test]
fn a_version_that_is_not_there_yet_is_malformed() {
    check(
        vec![gradient(2, 7, &[1.0; 4])],
        Verdict::Malformed,
        "version 7",
    );
}

/// Half of a gradient of four elements.
fn half(sequence: u64, offset_elements: u64) -> GradientChunk {
    GradientChunk {
        offset_elements,
        total_elements: 4,
        ..gradient(sequence, 1, &[1.0; 2])
    }
}

#[test]
fn chunks_out_of_order_are_malformed_and_the_rest_of_the_gradient_is_skipped() {
    let chunks = vec![half(2, 2), half(2, 0), half(2, 2)];
    check(
        chunks,
        Verdict::Malformed,
        "starts at element 2; expected 0",
    );
}

#[test]
fn a_gradient_that_another_one_interrupts_is_malformed() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut session = RawSession::open(&learner.url(), &layout(4)).await;
        session
            .send(GradientChunk {
                version: 0,
                ..half(1, 0)
            })
            .await;
        session.send(gradient(2, 0, &[1.0; 4])).await;
        let first = session.answer().await;
        assert_eq!((first.sequence, first.verdict()), (1, Verdict::Malformed));
        let second = session.answer().await;
        assert_eq!((second.sequence, second.verdict()), (2, Verdict::Applied));
    });
}

#[test]
fn gradients_that_are_too_old_are_refused() {
    let mut experiment = experiment();
    experiment.learner.max_staleness_updates = 2;
    let learner = Learner::start(&experiment);
    runtime().block_on(async {
        let mut session = RawSession::open(&learner.url(), &layout(4)).await;
        let mut verdicts = Vec::new();
        for sequence in 1..=4 {
            session.send(gradient(sequence, 0, &[1.0; 4])).await;
            verdicts.push(session.answer().await.verdict());
        }
        let applied = Verdict::Applied;
        assert_eq!(verdicts, [applied, applied, applied, Verdict::Stale]);
    });
}

#[test]
fn another_protocol_is_refused_and_both_versions_are_named() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let request = JoinRequest {
            protocol: 99,
            ..join_request()
        };
        let status = connect(&learner.url())
            .await
            .join(request)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(CallError::of(&status), Some(CallError::Protocol));
        assert!(status.message().contains("protocol 99"), "{status}");
        let own = format!("protocol {PROTOCOL}");
        assert!(status.message().contains(&own), "{status}");
    });
    assert!(learner.server.sessions().is_empty());
}

#[test]
fn another_layout_is_refused_when_it_opens_and_when_it_joins_again() {
    let learner = Learner::start(&experiment());
    let _first = Peer::open(&learner.url(), &layout(4));
    let mut second = Peer::join(&learner.url()).unwrap();
    let LinkClosed::Failed(error) = second.link.open(&layout(5)).unwrap_err() else {
        panic!("the run is not over");
    };
    for part in [
        learner.url(),
        layout(4).fingerprint(),
        layout(5).fingerprint(),
    ] {
        assert!(error.contains(&part), "{error}");
    }
    runtime().block_on(async {
        let layout_fingerprint = layout(5).fingerprint();
        let request = JoinRequest {
            layout_fingerprint,
            ..join_request()
        };
        let status = connect(&learner.url())
            .await
            .join(request)
            .await
            .unwrap_err();
        assert_eq!(CallError::of(&status), Some(CallError::Layout));
    });
}

#[test]
fn a_stream_begins_with_open_and_opens_once() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut client = connect(&learner.url()).await;
        let first = Up::Gradient(gradient(1, 0, &[1.0; 4]));
        let error = RawSession::begin(&mut client, first).await.err().unwrap();
        assert_eq!(CallError::of(&error), Some(CallError::Stream));

        let mut session = RawSession::open(&learner.url(), &layout(4)).await;
        let id = learner.server.sessions()[0].session;
        let open = Open {
            session: id,
            layout: Some((&layout(4)).into()),
            ..Open::default()
        };
        // Nobody else can open it either.
        let error = RawSession::begin(&mut client, Up::Open(open.clone()))
            .await
            .err()
            .unwrap();
        assert_eq!(CallError::of(&error), Some(CallError::Session));

        let again = troop_common::proto::v1::TrainRequest {
            kind: Some(Up::Open(open)),
        };
        session.requests.send(again).await.unwrap();
        let error = loop {
            match session.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without an error"),
                Err(error) => break error,
            }
        };
        assert_eq!(CallError::of(&error), Some(CallError::Stream));
    });
}

#[test]
fn a_session_is_opened_by_nobody_but_who_joined() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut client = connect(&learner.url()).await;
        let joined = client.join(join_request()).await.unwrap().into_inner();
        let mut other = connect(&learner.url()).await;
        for secret in [0, 1, joined.session, !joined.secret, joined.secret ^ 1] {
            let open = Up::Open(Open {
                session: joined.session,
                layout: Some((&layout(4)).into()),
                secret,
            });
            let error = RawSession::begin(&mut other, open).await.err().unwrap();
            assert_eq!(CallError::of(&error), Some(CallError::Session), "{secret}");
        }
        // Whoever joined is not held up by that.
        let open = Up::Open(Open {
            session: joined.session,
            layout: Some((&layout(4)).into()),
            secret: joined.secret,
        });
        RawSession::begin(&mut client, open).await.unwrap();
    });
}

#[test]
fn a_layout_that_cannot_be_one_is_refused() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut client = connect(&learner.url()).await;
        let joined = client.join(join_request()).await.unwrap().into_inner();
        let open = Up::Open(Open {
            session: joined.session,
            layout: None,
            secret: joined.secret,
        });
        let error = RawSession::begin(&mut client, open).await.err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("no parameters"), "{error}");
    });
    assert!(learner.server.sessions().is_empty());
}

#[test]
fn a_full_learner_takes_another_worker_once_one_has_left() {
    let mut experiment = experiment();
    experiment.learner.max_sessions = 1;
    let learner = Learner::start(&experiment);
    let first = Peer::open(&learner.url(), &layout(4));
    runtime().block_on(async {
        let status = connect(&learner.url())
            .await
            .join(join_request())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(
            status.message().contains("learner.max_sessions"),
            "{status}"
        );
    });
    let url = learner.url();
    let second = std::thread::spawn(move || Peer::join(&url).map(|peer| peer.info.worker_index));
    drop(first);
    assert_eq!(second.join().unwrap(), Ok(0));
}

#[test]
fn only_callers_with_the_token_are_answered() {
    let mut experiment = experiment();
    experiment.security.token_file = Some(PathBuf::from("secret/place"));
    let token = BearerToken::new("right").unwrap();
    let server = ParameterServer::new(experiment, Metrics::new().unwrap());
    let address = "127.0.0.1:0".parse().unwrap();
    let learner = Learner::serve(server, address, Some(token));
    let join = |token: Option<&str>| {
        let token = token.and_then(BearerToken::new);
        let actor = ActorSettings {
            give_up_after_s: 3600,
            ..ActorSettings::default()
        };
        Peer::join_with(troop_actor::link::EndpointSettings {
            token,
            actor,
            ..endpoint(&learner.url())
        })
    };
    for wrong in [None, Some("wrong")] {
        let Err(LinkClosed::Failed(error)) = join(wrong) else {
            panic!("{wrong:?} must not be admitted");
        };
        assert!(error.contains("token"), "{error}");
    }
    let admitted = join(Some("right")).unwrap();
    assert_eq!(
        admitted.experiment.security.token_file, None,
        "secrets stay"
    );
    runtime().block_on(async {
        let status = connect(&learner.url())
            .await
            .status(StatusRequest {})
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    });
}
