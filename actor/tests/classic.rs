//! The native classic control against the real package.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use troop_actor::environment::{
    Acrobot, Dynamics, Independent, MountainCar, MountainCarContinuous, Pendulum, VectorEnvironment,
};
use troop_common::experience::{Actions, End, Observations};

const TOLERANCE: f32 = 1e-6;

/// State before, action, observation after, reward, terminated, truncated.
type GymnasiumStep = (Vec<f64>, f64, Vec<f32>, f32, bool, bool);

static EPISODES: LazyLock<HashMap<String, Vec<Vec<GymnasiumStep>>>> = LazyLock::new(|| {
    let actor = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(actor.join("../.venv/bin/python"))
        .arg(actor.join("tests/python/classic_trajectories.py"))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
});

fn end_of(step: &GymnasiumStep) -> End {
    match (step.4, step.5) {
        (true, _) => End::Terminated,
        (false, true) => End::Truncated,
        (false, false) => End::Continues,
    }
}

/// What environment `index` showed after the last step, before any reset.
fn observed(environment: &dyn VectorEnvironment, index: usize) -> &[f32] {
    let last = environment.last();
    let rows = match last.ends[index] {
        End::Continues => last.observations,
        _ => last.final_observations,
    };
    let Observations::F32(all) = rows else {
        panic!("classic control shows floats")
    };
    let width = environment.spaces().observation.len();
    &all[index * width..(index + 1) * width]
}

fn assert_close(found: &[f32], expected: &[f32], context: &str) {
    for (value, wanted) in found.iter().zip(expected) {
        let is_close = (value - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0);
        assert!(is_close, "{context}: {found:?} in place of {expected:?}");
    }
}

/// Repeats every transition from its own state, in the second of two environments; gives how episodes ended.
fn repeat<D: Dynamics + Default>(
    state: impl Fn(&[f64]) -> D::State,
    actions: impl Fn(f64) -> Actions,
) -> Vec<End> {
    let mut environment = Independent::new(2, D::default());
    let mut ends = Vec::new();
    for (number, episode) in EPISODES[D::ID].iter().enumerate() {
        environment.reset(number as u64).unwrap();
        for (t, step) in episode.iter().enumerate() {
            environment.set_state(1, state(&step.0));
            environment.step(&actions(step.1)).unwrap();
            let context = format!("{}, episode {number}, step {t}", D::ID);
            assert_eq!(environment.last().ends[1], end_of(step), "{context}");
            assert_close(&environment.last().rewards[1..], &[step.3], &context);
            assert_close(observed(&environment, 1), &step.2, &context);
        }
        ends.push(environment.last().ends[1]);
    }
    ends
}

fn choices(action: f64) -> Actions {
    Actions::Discrete(vec![1, action as i64])
}

fn points(action: f64) -> Actions {
    Actions::Continuous(vec![0.0, action as f32])
}

fn doubles<const N: usize>(state: &[f64]) -> [f64; N] {
    state.try_into().unwrap()
}

fn singles(state: &[f64]) -> [f32; 2] {
    doubles::<2>(state).map(|value| value as f32)
}

#[test]
fn every_transition_equals_gymnasiums() {
    let ends = [
        repeat::<Acrobot>(doubles::<4>, choices),
        repeat::<MountainCar>(doubles::<2>, choices),
        repeat::<MountainCarContinuous>(singles, points),
    ];
    for ends in &ends {
        assert!(ends.contains(&End::Terminated) && ends.contains(&End::Truncated));
    }
    let ends = repeat::<Pendulum>(doubles::<2>, points);
    assert!(ends.iter().all(|end| *end == End::Truncated));
}

#[test]
fn seeds_repeat_and_environments_differ() {
    let first = |seed| {
        let mut environment = Independent::new(3, Pendulum);
        environment.reset(seed).unwrap();
        let states: Vec<[f64; 2]> = (0..3).map(|index| *environment.state(index)).collect();
        states
    };
    assert_eq!(first(5), first(5));
    assert_ne!(first(5), first(6));
    assert_ne!(first(5)[0], first(5)[1]);
}

#[test]
fn actions_that_cannot_be_are_refused() {
    let mut acrobot = Independent::new(2, Acrobot);
    for actions in [vec![3, 0], vec![-1, 0], vec![0], vec![0, 0, 0]] {
        assert!(acrobot.step(&Actions::Discrete(actions)).is_err());
    }
    assert!(acrobot.step(&Actions::Continuous(vec![0.0, 0.0])).is_err());
    let mut pendulum = Independent::new(2, Pendulum);
    for actions in [vec![0.0], vec![0.0, f32::NAN]] {
        let error = pendulum.step(&Actions::Continuous(actions)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected 2 actions, each of Box")
        );
    }
}
