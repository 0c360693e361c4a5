use super::*;
use crate::environment::{Actions, End, Observations};
use crate::method::testing::{
    Game, always_random, assert_gradient, doubles, random_segment, seeded, setting, spaces,
};
use troop_common::experiment::{Experiment, MethodSettings};
use troop_common::spaces::Spaces;

/// Small, and learning from the first segment on.
fn settings() -> DqnSettings {
    DqnSettings {
        t_max: 1,
        discount: 0.9,
        replay_capacity_env_steps: 2_000,
        replay_start_env_steps: 1,
        replay_ratio: 1.0,
        outlier_deviations: None,
        ..DqnSettings::default()
    }
}

fn method(settings: &DqnSettings, environments: usize, spaces: &Spaces, hidden: &[usize]) -> Dqn {
    let mut experiment = always_random();
    experiment.model.hidden = hidden.to_vec();
    experiment.environment.envs_per_worker = environments;
    experiment.method = MethodSettings::Dqn(settings.clone());
    Dqn::new(settings, setting(&experiment, spaces)).unwrap()
}

fn memory(method: &Dqn) -> &TransitionReplay {
    method.replay.as_ref().unwrap()
}

/// Transitions that the method remembers.
fn draw(method: &Dqn, size: usize) -> Batch {
    memory(method).sample(size, 0.5, &mut seeded(2))
}

/// A method that remembers a random segment: terminated, truncated and open ends.
fn with_memory(settings: &DqnSettings) -> Dqn {
    let spaces = spaces::discrete(3);
    let mut method = method(settings, 3, &spaces, &[5]);
    let online = doubles(method.network(), 3);
    method.receive(&online, &random_segment(&spaces, 7));
    method
}

/// Between two TD errors in the middle of a batch's: losses are then on both sides of the clip.
fn middle(td_errors: &Tensor) -> f64 {
    let mut absolute: Vec<f32> = to_vec(&td_errors.abs());
    absolute.sort_by(f32::total_cmp);
    absolute.dedup();
    let half = absolute.len() / 2;
    f64::midpoint(absolute[half - 1].into(), absolute[half].into())
}

#[test]
fn the_full_loss_passes_finite_differences() {
    for (double_q, n_step, clips, exponent) in [
        (false, 1, false, 0.0),
        (true, 3, true, 0.6),
        (true, 1, false, 1.0),
        (false, 2, true, 0.0),
    ] {
        let mut method = with_memory(&DqnSettings {
            double_q,
            n_step,
            td_error_clip: None,
            priority_exponent: exponent,
            ..settings()
        });
        let (online, target) = (doubles(method.network(), 3), doubles(method.network(), 9));
        // Once through, so that priorities differ.
        let segment = random_segment(&spaces::discrete(3), 7);
        method.loss(&online, Some(&target), &segment, 0).unwrap();
        let batch = draw(&method, 24);
        let of = |method: &Dqn, online: &Parameters| {
            method.batch_loss(memory(method), online, &target, &batch)
        };
        method.settings.td_error_clip = clips.then(|| middle(&of(&method, &online).td_errors));
        assert_gradient(&online, |online| of(&method, online).total);
    }
}

/// `Q` of a table, out of a network without hidden layers on one-hot states: `[S, A]`.
fn table(parameters: &Parameters, states: usize) -> Vec<Vec<f64>> {
    let (weight, bias) = (&parameters.tensors()[0], &parameters.tensors()[1]);
    let q = |s: i64, a: i64| weight.double_value(&[a, s]) + bias.double_value(&[a]);
    let actions = bias.size()[0];
    (0..states as i64)
        .map(|s| (0..actions).map(|a| q(s, a)).collect())
        .collect()
}

/// One-hot states, rewards and ends of one environment.
fn segment_of(states: &[usize], count: usize, steps: &[(i64, f32, End)]) -> Segment {
    let spaces = one_hot(count);
    let mut segment = Segment::new(1, &spaces);
    let one_hot = |state: usize| -> Vec<f32> {
        (0..count)
            .map(|s| f32::from(u8::from(s == state)))
            .collect()
    };
    let mut states = states.iter();
    for (action, reward, end) in steps {
        let state = one_hot(*states.next().unwrap());
        segment.observations.extend(Observations::F32(&state), None);
        segment.actions.extend(&Actions::Discrete(vec![*action]));
        segment.rewards.push(*reward);
        segment.ends.push(*end);
        if *end == End::Truncated {
            let last = one_hot(*states.next().unwrap());
            segment
                .truncated_observations
                .extend(Observations::F32(&last), None);
        }
    }
    let last = one_hot(*states.next().unwrap());
    segment
        .bootstrap_observations
        .extend(Observations::F32(&last), None);
    segment
}

fn one_hot(count: usize) -> Spaces {
    let mut spaces = spaces::discrete(3);
    spaces.observation.shape = vec![count];
    spaces
}

/// Targets worked out from the definition on tables of random values.
#[test]
fn targets_are_those_of_the_definition() {
    let c = End::Continues;
    let steps = [
        (0, 1.0, c),
        (2, -2.0, c),
        (1, 0.5, End::Truncated),
        (1, 4.0, c),
        (0, 3.0, End::Terminated),
        (2, 1.5, c),
        (1, -1.0, c),
    ];
    // s_t, the final observation 7 of the truncated episode, and the bootstrap's.
    let segment = segment_of(&[0, 1, 2, 7, 3, 4, 5, 6, 0], 8, &steps);
    for double_q in [false, true] {
        let settings = DqnSettings {
            double_q,
            n_step: 2,
            ..settings()
        };
        let mut method = method(&settings, 1, &one_hot(8), &[]);
        let (online, target) = (doubles(method.network(), 3), doubles(method.network(), 9));
        method.receive(&online, &segment);
        let (q, q_target) = (table(&online, 8), table(&target, 8));
        let value = |s: usize| {
            let by = if double_q { &q[s] } else { &q_target[s] };
            let best = (0..3).max_by(|a, b| by[*a].total_cmp(&by[*b])).unwrap();
            q_target[s][best]
        };
        let disagree = (0..8).any(|s| {
            let best = |q: &[f64]| (0..3).max_by(|a, b| q[*a].total_cmp(&q[*b]));
            best(&q[s]) != best(&q_target[s])
        });
        assert!(disagree, "the networks choose different actions somewhere");
        let g = 0.9;
        let expected = [
            1.0 + g * -2.0 + g * g * value(2),
            -2.0 + g * 0.5 + g * g * value(7),
            0.5 + g * value(7),
            4.0 + g * 3.0,
            3.0,
            1.5 - g + g * g * value(0),
        ];
        let mut seen = [false; 6];
        let batch = draw(&method, 200);
        let y = to_vec(&method.targets(memory(&method), &online, &target, &batch.transitions));
        let s_t = memory(&method)
            .observations(&batch.transitions)
            .argmax(-1, false);
        for (i, y) in y.iter().enumerate() {
            let state = s_t.int64_value(&[i as i64]) as usize;
            seen[state] = true;
            let expected = expected[state];
            assert!(
                (f64::from(*y) - expected).abs() < 1e-5,
                "{y} for {expected}"
            );
        }
        assert_eq!(seen, [true; 6]);
    }
}

#[test]
fn closed_actions_have_no_value() {
    let spaces = one_hot(2);
    for double_q in [false, true] {
        let mut method = method(
            &DqnSettings {
                double_q,
                ..settings()
            },
            1,
            &spaces,
            &[],
        );
        let mut segment = Segment::new(1, &spaces);
        let open = [true, true, true];
        segment
            .observations
            .extend(Observations::F32(&[1.0, 0.0]), Some(&open));
        segment.actions.extend(&Actions::Discrete(vec![0]));
        segment.rewards.push(0.0);
        segment.ends.push(End::Continues);
        let two_closed = [false, true, false];
        segment
            .bootstrap_observations
            .extend(Observations::F32(&[0.0, 1.0]), Some(&two_closed));
        let (online, target) = (doubles(method.network(), 3), doubles(method.network(), 9));
        method.receive(&online, &segment);
        let batch = draw(&method, 1);
        let y = to_vec(&method.targets(memory(&method), &online, &target, &batch.transitions))[0];
        let expected = 0.9 * table(&target, 2)[1][1];
        assert!((f64::from(y) - expected).abs() < 1e-6, "{y} for {expected}");
    }
}

/// Q* of M1 is [9.9, 10; 11, 9.9], whatever the behaviour.
#[test]
fn the_optimal_q_of_m1_is_found() {
    for (double_q, priority_exponent) in [(false, 0.0), (true, 0.0), (false, 0.6), (true, 1.0)] {
        let settings = DqnSettings {
            double_q,
            priority_exponent,
            importance_exponent_initial: 1.0,
            td_error_clip: None,
            ..settings()
        };
        let mut method = method(&settings, 32, &Game::spaces(), &[]);
        let learned = Game::new(32).learn(&mut method, 2000, 1.0, |_| {});
        let q = |s: usize, a: usize| learned[a * 2 + s] + learned[4 + a];
        for (s, a, expected) in [(0, 0, 9.9), (0, 1, 10.0), (1, 0, 11.0), (1, 1, 9.9)] {
            assert!(
                (q(s, a) - expected).abs() < 0.02,
                "double Q {double_q}, ω {priority_exponent}: Q({s}, {a}) = {} for {expected}",
                q(s, a)
            );
        }
    }
}

/// Returns of several steps are those of the behaviour: at random V = (7.25, 7.75), and behind them the best action. Q
/// of one random step and then the best ones is what two steps find.
#[test]
fn two_steps_find_the_q_of_a_random_and_then_the_best_action() {
    let settings = DqnSettings {
        t_max: 2,
        n_step: 2,
        replay_ratio: 0.5,
        td_error_clip: None,
        ..settings()
    };
    let mut method = method(&settings, 32, &Game::spaces(), &[]);
    // Q(s, a) = r + γ (½ Σ_b r' + γ max Q(s'')), solved by iteration.
    let next = |s: usize, a: usize| [[1, 0], [0, 1]][s][a];
    let reward = |s: usize, a: usize| [[0.0, 1.0], [2.0, 0.0]][s][a];
    let mut expected = [[0.0_f64; 2]; 2];
    for _ in 0..500 {
        let v = expected.map(|q| q[0].max(q[1]));
        let behind = |s: usize| {
            (0..2)
                .map(|b| 0.5 * (reward(s, b) + 0.9 * v[next(s, b)]))
                .sum::<f64>()
        };
        for (s, q) in expected.iter_mut().enumerate() {
            *q = [0, 1].map(|a| reward(s, a) + 0.9 * behind(next(s, a)));
        }
    }
    let learned = Game::new(32).learn(&mut method, 4000, 0.5, |_| {});
    for (s, row) in expected.iter().enumerate() {
        for (a, expected) in row.iter().enumerate() {
            let q = f64::from(learned[a * 2 + s] + learned[4 + a]);
            assert!(
                (q - expected).abs() < 0.1,
                "Q({s}, {a}) = {q} for {expected}"
            );
        }
    }
}

#[test]
fn gradients_follow_the_replay_ratio_and_wait_for_the_start() {
    let settings = DqnSettings {
        replay_start_env_steps: 50,
        replay_ratio: 4.0,
        ..settings()
    };
    let spaces = spaces::discrete(3);
    let mut method = method(&settings, 3, &spaces, &[5]);
    let online = method.network().parameters();
    // 18 steps a segment earn 18 · 4 / 32 = 2.25 gradients, once there are 50.
    let gradients: Vec<usize> = (0..8)
        .map(|i| method.receive(&online, &random_segment(&spaces, i)))
        .collect();
    assert_eq!(gradients, [0, 0, 2, 2, 2, 3, 2, 2]);
}

#[test]
fn a_gradient_of_an_outlying_loss_is_withheld() {
    let settings = DqnSettings {
        outlier_deviations: Some(3.0),
        outlier_min_gradients: 50,
        td_error_clip: None,
        ..settings()
    };
    let mut method = with_memory(&settings);
    let segment = random_segment(&spaces::discrete(3), 7);
    let mut online = method.network().parameters();
    online.load(&method.network().layout().initialize(3));
    let target = method.network().parameters();
    let sent = (0..200)
        .filter(|_| method.loss(&online, Some(&target), &segment, 0).is_some())
        .count();
    assert!(sent > 190, "{sent} of 200");
    let mut far = method.network().layout().initialize(3);
    far.iter_mut().for_each(|value| *value *= 100.0);
    online.load(&far);
    assert!(method.loss(&online, Some(&target), &segment, 0).is_none());
}

#[test]
fn the_importance_exponent_is_annealed_over_the_runs_frames() {
    let settings = DqnSettings {
        importance_exponent_initial: 0.4,
        importance_exponent_final: 1.0,
        importance_anneal_frames: 1_000,
        ..settings()
    };
    let mut method = method(&settings, 1, &spaces::discrete(2), &[]);
    let online = method.network().parameters();
    for (frames, expected) in [(0, 0.4), (500, 0.7), (1_000, 1.0), (9_000, 1.0)] {
        let observed = Observed {
            observations: Tensor::zeros([1, 4], (Kind::Float, tch::Device::Cpu)),
            masks: None,
        };
        let memory = Memory::new(1, 0).tensor();
        method.act(&online, &observed, &memory, Behaviour::Explore { frames });
        assert!((method.importance_exponent() - expected).abs() < 1e-9);
    }
}

#[test]
fn a_reset_breaks_episodes_off() {
    let settings = DqnSettings {
        n_step: 3,
        ..settings()
    };
    let mut method = method(&settings, 1, &one_hot(4), &[]);
    let online = method.network().parameters();
    let steps = [(0, 1.0, End::Continues), (0, 1.0, End::Continues)];
    method.receive(&online, &segment_of(&[0, 1, 2], 4, &steps));
    method.interrupted();
    method.receive(&online, &segment_of(&[2, 3, 0], 4, &steps));
    assert!(memory(&method).is_empty(), "no three steps in a row");
    method.receive(&online, &segment_of(&[0, 1, 2], 4, &steps));
    assert_eq!(memory(&method).len(), 2);
}

#[test]
fn continuous_actions_are_refused() {
    let spaces = spaces::continuous(1);
    let experiment = Experiment::default();
    let made = Dqn::new(&settings(), setting(&experiment, &spaces));
    assert!(matches!(
        made,
        Err(MethodError::NeedsDiscreteActions { .. })
    ));
}
