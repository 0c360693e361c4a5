//! Reports that cannot be true: one peer's lie ends its own session, and nothing of it is kept.

use tonic::Code;
use troop_common::call_error::CallError;
use troop_common::proto::v1::{
    Episode, GradientChunk, LossTerm, ObservationMoments, Report, Verdict,
};
use troop_learner::Phase;

use crate::raw_session::{RawSession, gradient};
use crate::rig::{Learner, experiment, layout, runtime};

/// A gradient with this report.
fn reporting(sequence: u64, version: u64, report: Report) -> GradientChunk {
    GradientChunk {
        report: Some(report),
        ..gradient(sequence, version, &[1.0; 4])
    }
}

fn episodes(count: usize, return_sum: f64, length: u64) -> Report {
    Report {
        env_steps: 1,
        episodes: vec![Episode { return_sum, length }; count],
        ..Report::default()
    }
}

fn losses(terms: impl IntoIterator<Item = (String, f64)>) -> Report {
    let term = |(term, value)| LossTerm { term, value };
    Report {
        env_steps: 1,
        losses: terms.into_iter().map(term).collect(),
        ..Report::default()
    }
}

/// What cannot be true, and the part of it that is wrong.
fn lies() -> Vec<(Report, &'static str)> {
    let steps = |env_steps| Report {
        env_steps,
        ..Report::default()
    };
    let frames = |frames| Report {
        env_steps: 1,
        frames,
        ..Report::default()
    };
    let restarts = Report {
        environment_restarts: 1 << 63,
        ..Report::default()
    };
    let observations = Report {
        observations: Some(Box::new(ObservationMoments {
            count: u64::MAX,
            mean: vec![0.0],
            m2: vec![0.0],
        })),
        ..Report::default()
    };
    let named = |name: String| losses([(name, 1.0)]);
    let many = (0..1_000).map(|i| (i.to_string(), 1.0));
    vec![
        (steps(1 << 63), "env_steps"),
        (steps(u64::MAX), "env_steps"),
        (frames(u64::MAX), "frames"),
        (restarts, "environment_restarts"),
        (observations, "observations"),
        (episodes(100, 1e308, 10), "episode_return"),
        (episodes(100, -1e308, 10), "episode_return"),
        (episodes(1, 0.0, u64::MAX), "episode_length"),
        (episodes(100_000, 1.0, 1), "episodes"),
        (losses([("value".into(), 1.7e308)]), "losses"),
        (losses([("value".into(), -1.7e308)]), "losses"),
        (named("x".repeat(1 << 20)), "losses"),
        (named("forged\nline".into()), "losses"),
        (losses(many), "losses"),
    ]
}

#[test]
fn a_lie_is_refused_as_a_whole_and_ends_its_own_session_at_most() {
    let learner = Learner::start(&experiment());
    let layout = layout(4);
    runtime().block_on(async {
        let mut honest = RawSession::open(&learner.url(), &layout).await;
        for (version, (report, part)) in (0..).zip(lies()) {
            let refused = &learner.server.metrics().reports_refused;
            let refused = refused.with_label_values(&[part]);
            let (before, counted) = (learner.server.progress().counters, refused.get());
            let mut liar = RawSession::open(&learner.url(), &layout).await;
            liar.send(reporting(1, version, report)).await;
            let status = ended(&mut liar).await;
            assert_eq!(status.code(), Code::InvalidArgument, "{part}: {status}");
            assert_eq!(CallError::of(&status), Some(CallError::Stream), "{part}");
            assert_eq!(refused.get(), counted + 1, "{part}: {status}");
            let after = learner.server.progress().counters;
            assert_eq!(
                (after.env_steps, after.frames, after.episodes, after.updates),
                (
                    before.env_steps,
                    before.frames,
                    before.episodes,
                    before.updates
                ),
                "{part}"
            );
            assert_eq!(*learner.server.phase().borrow(), Phase::Running, "{part}");
            honest.send(gradient(version + 1, version, &[1.0; 4])).await;
            assert_eq!(honest.answer().await.verdict(), Verdict::Applied, "{part}");
        }
    });
    assert!(learner.server.progress().losses.is_empty());
}

/// How a session ended; a gradient that was refused before that is malformed.
async fn ended(session: &mut RawSession) -> tonic::Status {
    loop {
        match session.next().await {
            Err(status) => return status,
            Ok(None) => panic!("the session ended without a reason"),
            Ok(Some(message)) => {
                use troop_common::proto::v1::train_response::Kind;
                if let Kind::Acknowledgement(answer) = message {
                    assert_eq!(answer.verdict(), Verdict::Malformed, "{}", answer.detail);
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_an_environments_misfortune_and_enters_no_mean() {
    let learner = Learner::start(&experiment());
    runtime().block_on(async {
        let mut session = RawSession::open(&learner.url(), &layout(4)).await;
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for (sequence, value) in (1..).zip(odd) {
            let mut report = episodes(1, value, 1);
            report.losses = losses([("value".into(), value)]).losses;
            session
                .send(reporting(sequence, sequence - 1, report))
                .await;
            assert_eq!(session.answer().await.verdict(), Verdict::Applied);
        }
    });
    let progress = learner.server.progress();
    assert_eq!(
        (progress.counters.episodes, progress.counters.env_steps),
        (3, 3)
    );
    assert_eq!(progress.return_mean_100, None);
    assert!(progress.losses.is_empty());
    assert_eq!(
        learner.server.metrics().episode_return.get_sample_count(),
        0
    );
}

#[test]
fn in_a_round_a_lie_is_refused_just_so() {
    let mut experiment = experiment();
    experiment.learner.staleness = troop_common::experiment::StalenessPolicy::Synchronous;
    let learner = Learner::start(&experiment);
    runtime().block_on(async {
        let mut liar = RawSession::open(&learner.url(), &layout(4)).await;
        let report = episodes(100, 1e308, 1);
        liar.send(reporting(1, 0, report)).await;
        let status = ended(&mut liar).await;
        assert!(status.message().contains("1e308"), "{status}");
        let mut honest = RawSession::open(&learner.url(), &layout(4)).await;
        honest.send(gradient(1, 0, &[1.0; 4])).await;
        assert_eq!(honest.answer().await.verdict(), Verdict::Applied);
    });
    let counters = learner.server.progress().counters;
    assert_eq!((counters.env_steps, counters.episodes), (1, 0));
}
