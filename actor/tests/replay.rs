//! Replay of real Atari games: what comes back is what the environment showed, byte for byte.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use std::collections::HashSet;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_actor::environment::{VectorEnvironment, make};
use troop_common::experience::{
    Actions, End, ObservationBuffer, Observations, RecurrentState, Segment,
};
use troop_common::experiment::{EnvironmentSettings, Host};
use troop_replay::{TransitionReplay, TransitionShape, stack};

const ENVIRONMENTS: usize = 2;
const STACK_BYTES: usize = 4 * 84 * 84;
/// A replay of so few frames is overwritten several times.
const CAPACITY: usize = 300;
const STEPS: usize = 700;

/// A step as it was shown: both stacks whole (none follows a terminal state), action, bits of reward and discount.
#[derive(PartialEq, Eq, Hash)]
struct Shown {
    observation: Vec<u8>,
    action: i64,
    numbers: [u32; 2],
    next: Option<Vec<u8>>,
}

fn bytes(observations: Observations<'_>) -> Vec<u8> {
    match observations {
        Observations::U8(values) => values.to_vec(),
        Observations::F32(_) => panic!("expected bytes"),
    }
}

fn stack_of(stacks: &[u8], environment: usize) -> Vec<u8> {
    stacks[environment * STACK_BYTES..(environment + 1) * STACK_BYTES].to_vec()
}

/// Plays at random; gives the replay, every step that was shown, and how many episodes ended each way.
fn play(settings: &EnvironmentSettings) -> (TransitionReplay, Vec<Shown>, [usize; 2]) {
    let mut host = make(settings).unwrap();
    host.reset(11).unwrap();
    let spaces = host.spaces().clone();
    let shape = TransitionShape {
        capacity: CAPACITY,
        stack: stack(settings),
        environments: ENVIRONMENTS,
        n_step: 1,
        discount: 0.5,
        priority_exponent: 0.0,
        priority_epsilon: 1e-6,
    };
    let mut replay = TransitionReplay::new(&spaces.observation, &shape);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut shown, mut ends) = (Vec::new(), [0, 0]);
    let mut segment = Segment::new(ENVIRONMENTS, &spaces);
    while shown.len() < STEPS * ENVIRONMENTS {
        segment.restart(&RecurrentState::new(ENVIRONMENTS, 0), 0);
        // Segments of any length: where they are cut must not matter.
        for _ in 0..rng.random_range(1..9) {
            step(&mut *host, &mut segment, &mut rng, &mut shown, &mut ends);
        }
        let last = host.last();
        segment
            .bootstrap_observations
            .extend(last.observations, last.masks);
        replay.add(&segment);
    }
    (replay, shown, ends)
}

fn step(
    host: &mut dyn VectorEnvironment,
    segment: &mut Segment,
    rng: &mut ChaCha8Rng,
    shown: &mut Vec<Shown>,
    ends: &mut [usize; 2],
) {
    let before = bytes(host.last().observations);
    segment.observations.extend(host.last().observations, None);
    let actions: Vec<i64> = (0..ENVIRONMENTS).map(|_| rng.random_range(0..4)).collect();
    host.step(&Actions::Discrete(actions.clone())).unwrap();
    segment.actions.extend(&Actions::Discrete(actions.clone()));
    let step = host.last();
    segment.rewards.extend(step.rewards);
    segment.ends.extend(step.ends);
    let (after, finals) = (bytes(step.observations), bytes(step.final_observations));
    for (environment, action) in actions.into_iter().enumerate() {
        let (discount, next) = match step.ends[environment] {
            End::Continues => (0.5_f32, Some(stack_of(&after, environment))),
            End::Truncated => {
                ends[1] += 1;
                segment.truncated_observations.extend_one(
                    step.final_observations,
                    None,
                    environment,
                );
                (0.5, Some(stack_of(&finals, environment)))
            }
            End::Terminated | End::LifeLost => {
                ends[0] += 1;
                (0.0, None)
            }
        };
        shown.push(Shown {
            observation: stack_of(&before, environment),
            action,
            numbers: [step.rewards[environment], discount].map(f32::to_bits),
            next,
        });
    }
}

/// Draws so often that hardly a transition is left out, and compares each with what was shown.
fn check(settings: &EnvironmentSettings) -> [usize; 2] {
    let (replay, shown, ends) = play(settings);
    assert!(
        replay.len() > CAPACITY * 9 / 10,
        "{} of {CAPACITY}",
        replay.len()
    );
    let newest = shown.len() - CAPACITY..;
    let recent: HashSet<&Shown> = shown[newest].iter().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut drawn = HashSet::new();
    for _ in 0..40 {
        let batch = replay.draw(100, 0.0, &mut rng);
        let read = |shown: &ObservationBuffer| {
            assert_eq!((shown.len(), shown.shape()), (100, &[4, 84, 84][..]));
            bytes(shown.values())
        };
        let observations = read(&batch.observations);
        let next = read(&batch.next_observations);
        for row in 0..batch.len() {
            let has_next = batch.discounts[row] > 0.0;
            let replayed = Shown {
                observation: stack_of(&observations, row),
                action: batch.actions[row],
                numbers: [batch.rewards[row], batch.discounts[row]].map(f32::to_bits),
                next: has_next.then(|| stack_of(&next, row)),
            };
            assert!(recent.contains(&replayed), "never shown, or too long ago");
            drawn.insert(batch.keys[row]);
        }
    }
    assert_eq!(drawn.len(), replay.len());
    ends
}

fn settings(id: &str) -> EnvironmentSettings {
    EnvironmentSettings {
        id: id.into(),
        host: Host::Gymnasium,
        envs_per_worker: ENVIRONMENTS,
        python: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python")),
        ..EnvironmentSettings::default()
    }
}

#[test]
fn pong_comes_back_as_it_was_shown_across_truncations() {
    let mut settings = settings("ALE/Pong-v5");
    settings.atari.max_episode_frames = 400;
    let [_, truncated] = check(&settings);
    assert!(truncated >= 8, "{truncated}");
}

#[test]
fn breakout_comes_back_as_it_was_shown_across_lost_lives() {
    let mut settings = settings("ALE/Breakout-v5");
    settings.atari.terminal_on_life_loss = true;
    let [terminated, _] = check(&settings);
    assert!(terminated >= 8, "{terminated}");
}
