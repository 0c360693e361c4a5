//! The native CartPole against the real package, and what it promises besides.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use std::path::Path;
use std::process::Command;

use troop_actor::environment::{CartPole, EnvironmentError, VectorEnvironment};
use troop_common::experience::{Actions, End, Observations};

const TOLERANCE: f32 = 1e-6;
/// For so many steps a trajectory left to itself stays within the tolerance. The pole is unstable: what differs in the
/// last bit of a sine, and libraries do, grows about tenfold in 25 steps.
const PREDICTABLE_STEPS: usize = 150;

/// State before, action, observation after, reward, terminated, truncated.
type GymnasiumStep = ([f64; 4], i64, [f32; 4], f32, bool, bool);

fn floats(observations: Observations<'_>) -> &[f32] {
    match observations {
        Observations::F32(values) => values,
        Observations::U8(_) => panic!("CartPole shows floats"),
    }
}

fn gymnasium_episodes() -> Vec<Vec<GymnasiumStep>> {
    let actor = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = actor.join("tests/python/cartpole_trajectories.py");
    let output = Command::new(actor.join("../.venv/bin/python"))
        .arg(script)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn end_of(step: &GymnasiumStep) -> End {
    match (step.4, step.5) {
        (true, _) => End::Terminated,
        (false, true) => End::Truncated,
        (false, false) => End::Continues,
    }
}

/// What environment `index` showed after the last step, before any reset.
fn observed(environment: &CartPole, index: usize) -> &[f32] {
    let last = environment.last();
    let rows = if last.ends[index] == End::Continues {
        last.observations
    } else {
        last.final_observations
    };
    &floats(rows)[index * 4..(index + 1) * 4]
}

fn assert_close(observed: &[f32], expected: &[f32], context: &str) {
    for (value, wanted) in observed.iter().zip(expected) {
        let close = (value - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0);
        assert!(close, "{context}: {observed:?} in place of {expected:?}");
    }
}

#[test]
fn every_transition_equals_gymnasiums() {
    let mut environment = CartPole::new(3);
    let index = 1;
    let mut ends = Vec::new();
    for (number, episode) in gymnasium_episodes().iter().enumerate() {
        environment.reset(0).unwrap();
        for (t, step) in episode.iter().enumerate() {
            environment.set_state(index, step.0);
            environment
                .step(&Actions::Discrete(vec![0, step.1, 1]))
                .unwrap();
            let context = format!("episode {number}, step {t}");
            assert_eq!(environment.last().ends[index], end_of(step), "{context}");
            assert_eq!(environment.last().rewards[index], step.3, "{context}");
            assert_close(observed(&environment, index), &step.2, &context);
            if let Some(next) = episode.get(t + 1) {
                let state = environment.state(index);
                let differs = state
                    .iter()
                    .zip(next.0)
                    .any(|(value, wanted)| (value - wanted).abs() > 1e-14);
                assert!(!differs, "{context}: {state:?} in place of {:?}", next.0);
            }
        }
        ends.push(environment.last().ends[index]);
    }
    let count = |kind| ends.iter().filter(|end| **end == kind).count();
    let (terminated, truncated) = (count(End::Terminated), count(End::Truncated));
    assert!(
        terminated >= 50 && truncated >= 10,
        "{terminated} terminated, {truncated} truncated"
    );
}

#[test]
fn trajectories_equal_gymnasiums() {
    let index = 1;
    for (number, episode) in gymnasium_episodes().iter().enumerate() {
        let mut environment = CartPole::new(3);
        environment.set_state(index, episode[0].0);
        for (t, step) in episode.iter().take(PREDICTABLE_STEPS).enumerate() {
            environment
                .step(&Actions::Discrete(vec![0, step.1, 1]))
                .unwrap();
            let context = format!("episode {number}, step {t}");
            assert_eq!(environment.last().ends[index], end_of(step), "{context}");
            assert_close(observed(&environment, index), &step.2, &context);
        }
    }
}

#[test]
fn an_ended_episode_is_followed_by_a_fresh_one() {
    let mut environment = CartPole::new(2);
    environment.reset(5).unwrap();
    let mut lengths = Vec::new();
    let mut length = 0;
    while lengths.len() < 3 {
        environment.step(&Actions::Discrete(vec![1, 0])).unwrap();
        length += 1;
        if environment.last().ends[0] != End::Continues {
            let last = environment.last();
            assert!(
                floats(last.observations)[..4]
                    .iter()
                    .all(|value| value.abs() < 0.05)
            );
            assert!(floats(last.final_observations)[2].abs() > 0.2);
            lengths.push(std::mem::take(&mut length));
        }
    }
    assert!(
        lengths.iter().all(|length| (7..13).contains(length)),
        "{lengths:?}"
    );
}

#[test]
fn the_seed_decides_everything_and_environments_differ() {
    let run = |seed| {
        let mut environment = CartPole::new(4);
        environment.reset(seed).unwrap();
        let starts: Vec<_> = (0..4).map(|index| environment.state(index)).collect();
        for t in 0..200 {
            environment
                .step(&Actions::Discrete(
                    (0..4).map(|i| i64::from((i + t) % 3 == 0)).collect(),
                ))
                .unwrap();
        }
        (starts, floats(environment.last().observations).to_vec())
    };
    let (starts, observations) = run(9);
    assert_eq!(run(9), (starts.clone(), observations));
    assert_ne!(run(10).0, starts);
    assert!(starts.iter().flatten().all(|value| value.abs() < 0.05));
    assert!((1..4).all(|index| starts[index] != starts[0]));
}

#[test]
fn a_seed_does_not_depend_on_the_number_of_environments() {
    let (mut few, mut many) = (CartPole::new(2), CartPole::new(9));
    few.reset(1).unwrap();
    many.reset(1).unwrap();
    assert_eq!(few.state(1), many.state(1));
}

#[test]
fn actions_that_do_not_fit_are_refused() {
    let mut environment = CartPole::new(2);
    environment.reset(0).unwrap();
    let wrong = [
        Actions::Discrete(vec![0, 2]),
        Actions::Discrete(vec![-1, 0]),
        Actions::Discrete(vec![0]),
        Actions::Continuous(vec![0.0, 1.0]),
    ];
    for actions in wrong {
        assert!(
            matches!(environment.step(&actions), Err(EnvironmentError::Fatal(_))),
            "{actions:?}"
        );
    }
}
