use super::*;
use crate::method::testing::{
    Game, Learner, always_random, drawn_model, model, one_hot, random_segment, seeded, segment_of,
    setting, shown_at, spaces,
};
use crate::method::{MethodError, Purpose};
use crate::nn::testing::assert_output_gradient;
use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::experiment::{Experiment, MethodSettings};
use troop_common::spaces::Spaces;
use troop_replay::{TransitionReplay, TransitionShape};

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

fn experiment(settings: &DqnSettings, environments: usize, hidden: &[usize]) -> Experiment {
    let mut experiment = always_random();
    experiment.model.hidden = hidden.to_vec();
    experiment.environment.envs_per_worker = environments;
    experiment.method = MethodSettings::Dqn(settings.clone());
    experiment
}

fn objective(settings: &DqnSettings, spaces: &Spaces, hidden: &[usize]) -> Dqn {
    let experiment = experiment(settings, 1, hidden);
    let values = ActionValues::new(&setting(&experiment, spaces, &mut seeded(1))).unwrap();
    Dqn::new(settings, Arc::new(values))
}

/// A replay that remembers a segment.
fn remembered(settings: &DqnSettings, spaces: &Spaces, segment: &Segment) -> TransitionReplay {
    let shape = TransitionShape {
        capacity: settings.replay_capacity_env_steps,
        stack: 1,
        environments: segment.environments,
        n_step: settings.n_step,
        discount: settings.discount,
        priority_exponent: settings.priority_exponent,
        priority_epsilon: settings.priority_epsilon,
    };
    let mut replay = TransitionReplay::new(&spaces.observation, &shape);
    replay.add(segment);
    replay
}

/// Terminated, truncated and open ends, and a method that is to learn from them.
fn with_memory(settings: &DqnSettings) -> (Dqn, TransitionReplay) {
    let spaces = spaces::discrete(3);
    let replay = remembered(settings, &spaces, &random_segment(&spaces, 7));
    (objective(settings, &spaces, &[5]), replay)
}

/// Between two TD errors in the middle of a batch's: losses are then on both sides of the clip.
fn middle(td_errors: &[f32]) -> f64 {
    let mut absolute: Vec<f32> = td_errors.iter().map(|error| error.abs()).collect();
    absolute.sort_by(f32::total_cmp);
    absolute.dedup();
    let half = absolute.len() / 2;
    f64::midpoint(absolute[half - 1].into(), absolute[half].into())
}

/// The loss of a batch, computed as the objective does.
fn loss_of(
    method: &Dqn,
    online: &mut dyn Model,
    target: &mut dyn Model,
    batch: &Transitions,
) -> (Loss, Vec<f32>) {
    let y = method.targets(online, target, batch);
    online.forward(&Input::stateless(&batch.observations));
    (method.descend(online.outputs(), batch, &y), y)
}

#[test]
fn the_full_loss_passes_finite_differences() {
    for (double_q, n_step, clips, exponent) in [
        (false, 1, false, 0.0),
        (true, 3, true, 0.6),
        (true, 1, false, 1.0),
        (false, 2, true, 0.0),
    ] {
        let (mut method, mut replay) = with_memory(&DqnSettings {
            double_q,
            n_step,
            td_error_clip: None,
            priority_exponent: exponent,
            ..settings()
        });
        let network = Arc::clone(method.values.network());
        let (mut online, mut target) = (drawn_model(&network, 3), drawn_model(&network, 9));
        let (online, target) = (&mut *online, &mut *target);
        // Once through, so that priorities differ.
        let batch = replay.draw(32, 0.5, &mut seeded(1));
        let (loss, _) = loss_of(&method, online, target, &batch);
        replay.reprioritise(&batch.keys, &loss.td_errors);
        let batch = replay.draw(24, 0.5, &mut seeded(2));
        let (loss, _) = loss_of(&method, online, target, &batch);
        method.settings.td_error_clip = clips.then(|| middle(&loss.td_errors));
        let (loss, y) = loss_of(&method, online, target, &batch);
        let heads = &online.outputs().heads;
        assert_output_gradient(heads, &loss.gradients.heads, 1e-3, |heads| {
            let outputs = Outputs {
                heads: heads.to_vec(),
                ..Outputs::default()
            };
            method.descend(&outputs, &batch, &y).total
        });
    }
}

/// `Q` of a table, out of a network without hidden layers on one-hot states: `[S, A]`.
fn table(model: &dyn Model, states: usize) -> Vec<Vec<f64>> {
    let (weight, bias) = model.parameters().split_at(states * 3);
    let q = |s: usize, a: usize| f64::from(weight[a * states + s]) + f64::from(bias[a]);
    (0..states)
        .map(|s| (0..3).map(|a| q(s, a)).collect())
        .collect()
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
        let method = objective(&settings, &one_hot(8), &[]);
        let network = method.values.network();
        let (mut online, mut target) = (drawn_model(network, 3), drawn_model(network, 9));
        let replay = remembered(&settings, &one_hot(8), &segment);
        let (q, q_target) = (table(&*online, 8), table(&*target, 8));
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
        let batch = replay.draw(200, 0.5, &mut seeded(2));
        let y = method.targets(&mut *online, &mut *target, &batch);
        let Observations::F32(s_t) = batch.observations.values() else {
            panic!("one-hot states")
        };
        for (y, s) in y.iter().zip(s_t.chunks_exact(8)) {
            let state = s.iter().position(|hot| *hot == 1.0).unwrap();
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
        let settings = DqnSettings {
            double_q,
            ..settings()
        };
        let method = objective(&settings, &spaces, &[]);
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
        let network = method.values.network();
        let (mut online, mut target) = (drawn_model(network, 3), drawn_model(network, 9));
        let replay = remembered(&settings, &spaces, &segment);
        let batch = replay.draw(1, 0.5, &mut seeded(2));
        let y = method.targets(&mut *online, &mut *target, &batch)[0];
        let expected = 0.9 * table(&*target, 2)[1][1];
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
        let mut method = Learner::new(&experiment(&settings, 32, &[]), &Game::spaces());
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
    let mut method = Learner::new(&experiment(&settings, 32, &[]), &Game::spaces());
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
    let mut method = Learner::new(&experiment(&settings, 3, &[5]), &spaces);
    let mut online = method.model();
    // 18 steps a segment earn 18 · 4 / 32 = 2.25 gradients, once there are 50.
    let gradients: Vec<usize> = (0..8)
        .map(|i| method.gradients(&mut *online, &random_segment(&spaces, i)))
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
    let (mut method, replay) = with_memory(&settings);
    let network = Arc::clone(method.values.network());
    let (mut online, mut target) = (model(&network), model(&network));
    let mut rng = seeded(3);
    let mut withholds = |online: &mut dyn Model| {
        let batch = replay.draw(settings.batch_size, 0.4, &mut rng);
        let networks = Networks {
            online,
            target: Some(&mut *target),
        };
        let loss = method.loss(networks, Batch::Transitions(&batch), &mut seeded(1));
        loss.unwrap().advice == Advice::Withhold
    };
    online.load(&network.layout().initialize(3));
    let sent = (0..200).filter(|_| !withholds(&mut *online)).count();
    assert!(sent > 190, "{sent} of 200");
    let mut far = network.layout().initialize(3);
    far.iter_mut().for_each(|value| *value *= 100.0);
    online.load(&far);
    assert!(withholds(&mut *online));
}

/// It has a target by its settings; without one nothing else takes its place. It learns from transitions.
#[test]
fn other_networks_and_other_experience_are_errors() {
    let (mut method, replay) = with_memory(&settings());
    let network = method.values.network();
    let (mut online, mut target) = (drawn_model(network, 3), drawn_model(network, 3));
    let batch = replay.draw(4, 0.4, &mut seeded(3));
    let networks = Networks {
        online: &mut *online,
        target: None,
    };
    let loss = method.loss(networks, Batch::Transitions(&batch), &mut seeded(1));
    assert_eq!(loss.unwrap_err(), ObjectiveError::NoTarget);
    let segment = random_segment(&spaces::discrete(3), 7);
    let networks = Networks {
        online: &mut *online,
        target: Some(&mut *target),
    };
    let loss = method.loss(networks, Batch::Fresh(&segment), &mut seeded(1));
    assert!(matches!(loss, Err(ObjectiveError::OtherExperience { .. })));
}

#[test]
fn continuous_actions_are_refused() {
    let spaces = spaces::continuous(1);
    let made = Learner::made(&experiment(&settings(), 1, &[]), &spaces).map(drop);
    assert!(matches!(
        made,
        Err(MethodError::NeedsDiscreteActions { .. })
    ));
}

/// The first priorities of a replay that workers share are those of who acted (Horgan et al. 2018, §3).
#[test]
fn a_decision_tells_its_values_if_somebody_asks() {
    let spaces = one_hot(3);
    let settings = |priority_exponent| DqnSettings {
        priority_exponent,
        ..settings()
    };
    for (trainers, priority_exponent, tells) in [(0, 0.6, false), (1, 0.0, false), (1, 0.6, true)] {
        let mut experiment = experiment(&settings(priority_exponent), 3, &[4]);
        experiment.topology.trainers = trainers;
        let mut learner = Learner::new(&experiment, &spaces);
        let mut online = learner.drawn_model(5);
        let segment = segment_of(&[0, 1, 2, 0], 3, &[(0, 0.0, End::Continues); 3]);
        let shown = shown_at(&segment, &spaces, 1);
        let state = segment.initial_state.clone();
        let purpose = Purpose::Explore { frames: 0 };
        let decision = learner.act(&mut *online, &shown, &state, purpose);
        if !tells {
            assert!(decision.behaviour.is_empty());
            continue;
        }
        let Actions::Discrete(actions) = &decision.actions else {
            panic!("discrete actions")
        };
        let outputs = online.evaluate(&Input::step(&shown, &state)).clone();
        let q = &outputs.heads[0];
        let taken = q[actions[0] as usize];
        let largest = q.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(decision.behaviour, [taken, largest]);
    }
}
