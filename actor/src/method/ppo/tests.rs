use super::*;
use crate::method::testing::{
    Game, Learner, assert_close, drawn_model, fresh_loss, gradient, seeded, segment_with, setting,
    spaces,
};
use crate::method::{Part, n_step_returns};
use crate::nn::testing::assert_output_gradient;
use rand::RngExt;
use troop_common::experience::End;
use troop_common::experiment::{
    A3cSettings, Experiment, ImpalaSettings, Initialization, MethodSettings, ModelSettings,
};
use troop_common::spaces::Spaces;

/// Weights of some size, so that policies of two seeds differ.
fn experiment(settings: &PpoSettings, change: impl FnOnce(&mut ModelSettings)) -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::Ppo(settings.clone()),
        ..Experiment::default()
    };
    experiment.model.hidden = vec![5];
    experiment.model.initialization = Initialization::Torch;
    experiment.environment.envs_per_worker = 3;
    change(&mut experiment.model);
    experiment
}

fn ppo(settings: &PpoSettings, change: impl FnOnce(&mut ModelSettings), of: &Spaces) -> Ppo {
    let experiment = experiment(settings, change);
    Ppo::new(settings, &setting(&experiment, of, &mut seeded(1))).unwrap()
}

/// Nothing but the surrogate and the values.
fn plain() -> PpoSettings {
    PpoSettings {
        entropy_weight: 0.0,
        normalize_advantages: false,
        importance_weight_limit: None,
        ..PpoSettings::default()
    }
}

type Change = fn(&mut ModelSettings);

/// Every kind of actions on every kind of network, with masks and without.
fn kinds() -> Vec<(Spaces, Change, bool)> {
    let changes: [Change; 4] = [
        |_| {},
        |model| model.bounds_penalty = 0.7,
        |model| model.separate_value = true,
        |model| model.lstm = Some(3),
    ];
    let actions = [
        (spaces::discrete(3), false),
        (spaces::discrete(3), true),
        (spaces::multi_discrete(&[2, 3]), true),
        (spaces::apart_from_zero(), false),
    ];
    let with = |change: Change| {
        let kinds = actions.clone();
        kinds.map(|(spaces, masked)| (spaces, change, masked))
    };
    changes.into_iter().flat_map(with).collect()
}

/// Six steps of three environments, acted by the method's policy with parameters of `acted_by`.
fn segment(method: &Ppo, spaces: &Spaces, masked: bool, acted_by: u64) -> Segment {
    let network = method.actor_critic.network();
    let mut segment = segment_with(spaces, network.state_len(), masked, 7);
    let mut model = drawn_model(network, acted_by);
    let outputs = model.evaluate(&Input::segment(&segment));
    let (statistics, _) = method.actor_critic.split(outputs, &[]);
    segment.behaviour = method.actor_critic.policy().joined(statistics);
    segment
}

/// Three environments of six steps each.
fn part<'a>(segment: &'a Segment, rows: &'a [usize], is_first: bool) -> Part<'a> {
    assert_eq!((segment.len(), segment.environments), (18, 3));
    Part {
        segment,
        rows,
        is_first,
    }
}

fn all() -> Vec<usize> {
    (0..18).collect()
}

fn loss(method: &mut Ppo, online: &mut dyn Model, part: Part<'_>) -> Loss {
    let networks = Networks {
        online,
        target: None,
    };
    let loss = method.loss(networks, Batch::Part(part), &mut seeded(1));
    loss.unwrap()
}

fn term(loss: &Loss, name: &str) -> f64 {
    let (_, value) = loss.terms.iter().find(|(term, _)| *term == name).unwrap();
    *value
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// At every output, with what the loss holds constant: others acted, others were the newest when the segment was begun, and
/// others are now.
#[test]
fn the_full_loss_passes_finite_differences() {
    let (mut clipped, mut kept) = (0, 0);
    for (index, (spaces, change, masked)) in kinds().iter().enumerate() {
        let settings = PpoSettings {
            clip: 0.1,
            value_clip: [None, Some(0.1)][index % 2],
            entropy_weight: 0.1,
            value_weight: 0.7,
            normalize_advantages: index % 3 != 0,
            importance_weight_limit: [Some(1.05), None][index / 2 % 2],
            ..PpoSettings::default()
        };
        let mut method = ppo(&settings, change, spaces);
        let segment = segment(&method, spaces, *masked, 4);
        let network = Arc::clone(method.actor_critic.network());
        let (mut first, mut online) = (drawn_model(&network, 5), drawn_model(&network, 3));
        let rows: Vec<usize> = (0..18).filter(|row| row % 3 != 1).collect();
        loss(&mut method, &mut *first, part(&segment, &rows, true));
        let found = loss(&mut method, &mut *online, part(&segment, &rows, false));
        assert!(term(&found, "kl") > 1e-4 && term(&found, "importance_weight") != 1.0);
        let share = term(&found, "clip_fraction");
        clipped += usize::from(share > 0.0);
        kept += usize::from(share < 1.0);
        let of_segment = method.targets.as_ref().unwrap();
        let targets = of_segment.of_rows(&rows, settings.normalize_advantages);
        let outputs = online.outputs().heads.clone();
        assert_output_gradient(&outputs, &found.gradients.heads, 1e-4, |heads| {
            let outputs = Outputs {
                heads: heads.to_vec(),
                ..Outputs::default()
            };
            let minibatch = &method.minibatch;
            let of = (minibatch.observations.masks(), &minibatch.actions);
            method.descend(&outputs, of, &targets, None).total
        });
    }
    assert!(clipped >= 8 && kept >= 8, "{clipped}, {kept}");
}

/// As long as the policy is the one that acted it is A3C, once half the squared error counts twice.
#[test]
fn with_a_ratio_of_one_it_has_a3cs_gradient() {
    for (spaces, change, masked) in kinds() {
        let settings = PpoSettings {
            entropy_weight: 0.02,
            ..plain()
        };
        let mut method = ppo(&settings, change, &spaces);
        let segment = segment(&method, &spaces, masked, 3);
        let mut online = drawn_model(method.actor_critic.network(), 3);
        let found = loss(&mut method, &mut *online, part(&segment, &all(), true));
        assert!(term(&found, "kl").abs() < 1e-9 && term(&found, "clip_fraction") == 0.0);
        let found = gradient(&mut *online, &found);
        let mut experiment = experiment(&settings, change);
        experiment.method = MethodSettings::A3c(A3cSettings {
            gae_lambda: settings.gae_lambda,
            entropy_weight: settings.entropy_weight,
            value_weight: settings.value_weight / 2.0,
            ..A3cSettings::default()
        });
        let mut a3c = Learner::new(&experiment, &spaces);
        let (mut theirs, mut target) = (a3c.drawn_model(3), a3c.drawn_model(3));
        let objective = &mut *a3c.parts.objective;
        let expected = fresh_loss(objective, &mut *theirs, &mut *target, &segment);
        let expected = gradient(&mut *theirs, &expected);
        assert_close(&double(&found), &double(&expected), 1e-6);
        assert!(expected.iter().any(|gradient| gradient.abs() > 1e-2));
    }
}

/// The mean of its minibatches' gradients, whether they are steps or environments: what is taken out of a segment is what belongs
/// together.
#[test]
fn minibatches_make_up_the_segment() {
    for (spaces, change, masked) in kinds() {
        let settings = PpoSettings {
            clip: 0.1,
            entropy_weight: 0.02,
            value_clip: Some(0.1),
            ..plain()
        };
        let mut method = ppo(&settings, change, &spaces);
        let segment = segment(&method, &spaces, masked, 4);
        let mut online = drawn_model(method.actor_critic.network(), 3);
        let mut first = drawn_model(method.actor_critic.network(), 5);
        loss(&mut method, &mut *first, part(&segment, &all(), true));
        let whole = loss(&mut method, &mut *online, part(&segment, &all(), false));
        let expected = gradient(&mut *online, &whole);
        let mut sum = vec![0.0; expected.len()];
        for e in [1, 2, 0] {
            let rows: Vec<usize> = (e..18).step_by(3).collect();
            let loss = loss(&mut method, &mut *online, part(&segment, &rows, false));
            let gradient = gradient(&mut *online, &loss);
            let pairs = sum.iter_mut().zip(&gradient);
            pairs.for_each(|(sum, gradient)| *sum += f64::from(*gradient) / 3.0);
        }
        assert_close(&sum, &double(&expected), 1e-5);
    }
}

/// `Σ_l (γλ)^l δ_{t+l}` up to the end of the episode or of the segment, each step by itself.
fn slow_advantage(
    segment: &Segment,
    v_t: &[f32],
    open: &[f32],
    settings: &PpoSettings,
    from: usize,
) -> f64 {
    let environments = segment.environments;
    let open = segment.open_values(open);
    let (mut sum, mut weight) = (0.0, 1.0);
    for i in (from..segment.len()).step_by(environments) {
        let next = match segment.ends[i] {
            End::Terminated | End::LifeLost => 0.0,
            End::Truncated => open.at_ends[i],
            End::Continues => {
                let next = v_t.get(i + environments).copied();
                next.unwrap_or(open.bootstrap[i % environments])
            }
        };
        let delta =
            f64::from(segment.rewards[i]) + f64::from(settings.discount * next) - f64::from(v_t[i]);
        sum += weight * delta;
        weight *= f64::from(settings.discount) * f64::from(settings.gae_lambda);
        if segment.ends[i] != End::Continues {
            break;
        }
    }
    sum
}

/// With values behind every end, of which a terminal state's must not be seen.
#[test]
fn what_is_held_constant_is_what_it_is_by_definition() {
    for (spaces, change, masked) in kinds() {
        for gae_lambda in [0.0, 0.7, 1.0] {
            let settings = PpoSettings {
                gae_lambda,
                importance_weight_limit: Some(1.02),
                ..plain()
            };
            let method = ppo(&settings, change, &spaces);
            let segment = segment(&method, &spaces, masked, 4);
            let mut online = drawn_model(method.actor_critic.network(), 5);
            let targets = method.targets(&mut *online, &segment);
            let outputs = online.outputs().clone();
            let masks = segment.observations.masks();
            let (statistics, v_t) = method.actor_critic.split(&outputs, masks);
            assert_eq!(targets.v_t, v_t);
            let state = outputs.open_state();
            let open = online.evaluate(&Input::open(&segment, state)).heads.clone();
            let open = open.last().unwrap();
            assert!(open.iter().all(|v| v.abs() > 1e-6));
            for (row, found) in targets.a_t.iter().enumerate() {
                let slow = slow_advantage(&segment, v_t, open, &settings, row);
                assert!(
                    (f64::from(*found) - slow).abs() < 1e-5,
                    "{found} for {slow}"
                );
                assert!((targets.r_t[row] - found - v_t[row]).abs() < 1e-6);
            }
            if gae_lambda == 1.0 {
                let open = segment.open_values(open);
                let r_t = n_step_returns(&segment.rewards, &segment.ends, &open, settings.discount);
                assert_close(&double(&targets.r_t), &double(&r_t), 1e-6);
            }
            let policy = method.actor_critic.policy();
            let heads = &policy.separated(&segment.behaviour);
            let behav = policy.likelihoods(Statistics { heads, masks }, &segment.actions);
            let prox = policy.likelihoods(statistics, &segment.actions);
            for row in 0..18 {
                let (prox, behav) = (prox[row].log_probability, behav[row].log_probability);
                let ratio = prox.exp() / behav.exp();
                assert!((targets.w_t[row] - ratio.min(1.02)).abs() < 1e-12);
                assert_eq!(targets.log_prox[row].to_bits(), prox.to_bits());
            }
            assert!(targets.w_t.contains(&1.02) && targets.w_t.iter().any(|w| *w < 1.0));
        }
    }
}

/// Whoever acted: `E_{a~π_behav}[w(a) x(a)] = E_{a~π_prox}[x(a)]`, as an exact sum over actions.
#[test]
fn weights_make_up_for_who_acted() {
    let mut rng = seeded(2);
    let mut policy = || {
        let weights: Vec<f64> = (0..4).map(|_| rng.random_range(0.1..3.0_f64)).collect();
        let sum: f64 = weights.iter().sum();
        let log_pi = weights.iter().map(|weight| (weight / sum).ln());
        log_pi.collect::<Vec<f64>>()
    };
    let (prox, behav) = (policy(), policy());
    let segment = segment_with(&spaces::discrete(4), 0, false, 1);
    let open = segment.open_values(&[0.0; 5]);
    // One row for each action; the others are out of it.
    let mut log_prox = prox.clone();
    log_prox.resize(18, 0.0);
    let mut log_behav = behav.clone();
    log_behav.resize(18, 0.0);
    let v_t = [0.0; 18];
    let targets = Targets::new(&plain(), &segment, log_prox, &log_behav, &v_t, &open);
    let x = [1.0, -3.0, 0.5, 7.0];
    let mean = |pi: &[f64], w: &[f64]| -> f64 {
        let rows = pi.iter().zip(w).zip(x);
        rows.map(|((log_pi, w), x)| log_pi.exp() * w * x).sum()
    };
    let (found, expected) = (mean(&behav, &targets.w_t), mean(&prox, &[1.0; 4]));
    assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
}

/// Plain PPO, written down as the paper has it: `π_old` is what the segment says that acted, and there is no weight.
fn plain_ppo(method: &Ppo, online: &dyn Model, segment: &Segment, a_t: &[f32], r_t: &[f32]) -> f64 {
    let (actor_critic, settings) = (&method.actor_critic, &method.settings);
    let policy = actor_critic.policy();
    let heads = &policy.separated(&segment.behaviour);
    let masks = &[];
    let old = policy.likelihoods(Statistics { heads, masks }, &segment.actions);
    let (statistics, v_t) = actor_critic.split(online.outputs(), masks);
    let new = policy.likelihoods(statistics, &segment.actions);
    let (mut surrogate, mut value, mut entropy) = (0.0, 0.0, 0.0);
    for row in 0..segment.len() {
        let ratio = (new[row].log_probability - old[row].log_probability).exp();
        let a = f64::from(a_t[row]);
        let low_high = (1.0 - settings.clip, 1.0 + settings.clip);
        surrogate += -f64::min(ratio * a, ratio.clamp(low_high.0, low_high.1) * a);
        value += (f64::from(r_t[row]) - f64::from(v_t[row])).powi(2) / 2.0;
        entropy += new[row].entropy;
    }
    let rows = segment.len() as f64;
    surrogate / rows + settings.value_weight * (value / rows)
        - settings.entropy_weight * (entropy / rows)
}

/// If the newest weights are those that acted, `π_prox` is `π_behav` to the bit, and stays it while the policy moves.
#[test]
fn while_nobody_else_updates_it_is_plain_ppo_to_the_bit() {
    let settings = PpoSettings {
        t_max: 8,
        importance_weight_limit: Some(1.0),
        normalize_advantages: false,
        clip: 0.05,
        ..PpoSettings::default()
    };
    let spaces = Game::spaces();
    let mut learner = Learner::new(&experiment(&settings, |_| {}), &spaces);
    let mut acting = learner.drawn_model(4);
    acting.begin_segment();
    let segment = Game::new(3).segment(&mut learner, &mut *acting);
    let mut method = ppo(&settings, |_| {}, &spaces);
    let rows: Vec<usize> = (0..segment.len()).collect();
    let (segment, rows) = (&segment, &rows[..]);
    for (mut online, is_first) in [(acting, true), (learner.drawn_model(5), false)] {
        let part = Part {
            segment,
            rows,
            is_first,
        };
        let found = loss(&mut method, &mut *online, part);
        let targets = method.targets.as_ref().unwrap();
        assert!(targets.w_t.iter().all(|w| *w == 1.0));
        let expected = plain_ppo(&method, &*online, segment, &targets.a_t, &targets.r_t);
        assert_eq!(found.total.to_bits(), expected.to_bits());
        assert_eq!(term(&found, "kl") == 0.0, is_first);
    }
}

#[test]
fn it_leaves_the_rest_once_the_policy_has_moved_too_far() {
    let spaces = spaces::discrete(3);
    let advice = |max_kl: Option<f64>, newest: u64| {
        let settings = PpoSettings { max_kl, ..plain() };
        let mut method = ppo(&settings, |_| {}, &spaces);
        let segment = segment(&method, &spaces, false, 4);
        let network = Arc::clone(method.actor_critic.network());
        let (mut first, mut online) = (drawn_model(&network, 4), drawn_model(&network, newest));
        let begun = loss(&mut method, &mut *first, part(&segment, &all(), true));
        assert_eq!(begun.advice, Advice::Learn);
        let found = loss(&mut method, &mut *online, part(&segment, &all(), false));
        (found.advice, term(&found, "kl"))
    };
    let (without, kl) = advice(None, 5);
    assert_eq!(without, Advice::Learn);
    assert_eq!(advice(Some(kl * 0.999), 5).0, Advice::LeaveRest);
    assert_eq!(advice(Some(kl * 1.001), 5).0, Advice::Learn);
    assert_eq!(advice(Some(1e-12), 4).0, Advice::Learn);
}

#[test]
fn a_later_part_or_a_whole_segment_alone_is_refused() {
    let spaces = spaces::discrete(3);
    let mut method = ppo(&plain(), |_| {}, &spaces);
    let segment = segment(&method, &spaces, false, 4);
    let mut online = drawn_model(method.actor_critic.network(), 4);
    let rows = all();
    for (batch, found) in [
        (Batch::Part(part(&segment, &rows, false)), "a later part"),
        (Batch::Fresh(&segment), "segments"),
    ] {
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        let refused = method.loss(networks, batch, &mut seeded(1)).unwrap_err();
        assert!(refused.to_string().ends_with(found), "{refused}");
    }
}

/// Several gradients a segment, each a step on parameters that are loaded before the next one.
fn learn_m1(settings: &PpoSettings, segments: usize, rate: f32, mask: fn(&mut [f32])) -> Vec<f32> {
    let experiment = experiment(settings, |model| model.hidden.clear());
    let mut learner = Learner::new(&experiment, &Game::spaces());
    let (mut online, mut target) = (learner.model(), learner.model());
    let mut values = vec![0.0; learner.network().layout().len()];
    let mut game = Game::new(3);
    for segment in 0..segments {
        online.load(&values);
        online.begin_segment();
        let lived = game.segment(&mut learner, &mut *online);
        learner.append(&mut *online, &lived);
        let mut gradients = 0;
        while let Some(loss) = learner.next(&mut *online, &mut *target) {
            let mut gradient = gradient(&mut *online, &loss);
            mask(&mut gradient);
            let rate = rate / (1.0 + 4.0 * segment as f32 / segments as f32);
            let pairs = values.iter_mut().zip(&gradient);
            pairs.for_each(|(value, gradient)| *value -= rate * gradient);
            online.load(&values);
            gradients += 1;
        }
        assert_eq!(gradients, settings.epochs * settings.minibatches);
    }
    values
}

fn m1_settings() -> PpoSettings {
    PpoSettings {
        t_max: 20,
        discount: 0.9,
        epochs: 3,
        minibatches: 4,
        ..plain()
    }
}

/// Of M1's policies the best takes a1 in s0 and a0 in s1.
#[test]
fn it_finds_the_best_policy_of_m1() {
    let learned = learn_m1(&m1_settings(), 150, 0.3, |_| {});
    let logit = |state: usize, action: usize| learned[action * 2 + state] + learned[4 + action];
    assert!(logit(0, 1) - logit(0, 0) > 1.0, "{learned:?}");
    assert!(logit(1, 0) - logit(1, 1) > 1.0, "{learned:?}");
}

/// V of the uniform policy on M1 is (7.25, 7.75). Only values learn.
#[test]
fn values_of_the_uniform_policy_on_m1() {
    let learned = learn_m1(&m1_settings(), 400, 0.3, |gradient| {
        gradient[..6].fill(0.0);
    });
    let v = |state: usize| learned[6 + state] + learned[8];
    assert!(
        (v(0) - 7.25).abs() < 0.25 && (v(1) - 7.75).abs() < 0.25,
        "{} {}",
        v(0),
        v(1)
    );
}

/// Unrolls of which the second one is cut off after four of six steps; other weights acted.
fn unrolls(method: &Ppo, spaces: &Spaces, masked: bool) -> Stretches {
    let mut segment = segment(method, spaces, masked, 4);
    segment.ends[10] = End::Terminated;
    for t in 4..6 {
        segment.rewards[t * 3 + 1] = 0.0;
        segment.ends[t * 3 + 1] = End::Terminated;
    }
    Stretches {
        segment,
        keys: vec![0, 1, 2],
        weights: vec![1.0; 3],
        lengths: vec![6, 4, 6],
        burn_in: vec![0; 3],
    }
}

fn loss_of_unrolls(method: &mut Ppo, online: &mut dyn Model, unrolls: &Stretches) -> Loss {
    let networks = Networks {
        online,
        target: None,
    };
    let batch = Batch::Stretches(unrolls);
    method.loss(networks, batch, &mut seeded(1)).unwrap()
}

fn of_unrolls() -> PpoSettings {
    PpoSettings {
        clip: 0.1,
        gae_lambda: 0.9,
        entropy_weight: 0.1,
        value_weight: 0.7,
        ..plain()
    }
}

#[test]
fn the_full_loss_of_unrolls_passes_finite_differences() {
    let (mut clipped, mut kept) = (0, 0);
    for (index, (spaces, change, masked)) in kinds().iter().enumerate() {
        let settings = PpoSettings {
            normalize_advantages: index % 2 == 0,
            ..of_unrolls()
        };
        let mut method = ppo(&settings, change, spaces);
        let unrolls = unrolls(&method, spaces, *masked);
        let mut online = drawn_model(method.actor_critic.network(), 3);
        let found = loss_of_unrolls(&mut method, &mut *online, &unrolls);
        let share = term(&found, "clip_fraction");
        clipped += usize::from(share > 0.0);
        kept += usize::from(share < 1.0);
        assert!(term(&found, "importance_weight") < 1.0);
        let learnt = unrolls.learnt();
        let segment = &unrolls.segment;
        let targets = method.traced(&mut *online, segment, &learnt);
        let of = (segment.observations.masks(), &segment.actions);
        let outputs = online.outputs().heads.clone();
        assert_output_gradient(&outputs, &found.gradients.heads, 1e-4, |heads| {
            let outputs = Outputs {
                heads: heads.to_vec(),
                ..Outputs::default()
            };
            method.descend(&outputs, of, &targets, Some(&learnt)).total
        });
    }
    assert!(clipped >= 8 && kept >= 8, "{clipped}, {kept}");
}

/// From the definitions, row by row: V-trace as a sum over all that follows, the surrogate as it is written.
#[test]
fn the_loss_of_unrolls_is_that_of_the_definition() {
    for (spaces, change, masked) in kinds() {
        let settings = of_unrolls();
        let mut method = ppo(&settings, change, &spaces);
        let unrolls = unrolls(&method, &spaces, masked);
        let segment = &unrolls.segment;
        let mut online = drawn_model(method.actor_critic.network(), 3);
        let found = loss_of_unrolls(&mut method, &mut *online, &unrolls);
        let open = method.actor_critic.open_values(&mut *online, segment);
        let masks = segment.observations.masks();
        let (statistics, v) = method.actor_critic.split(online.outputs(), masks);
        let likelihoods = method
            .actor_critic
            .policy()
            .likelihoods(statistics, &segment.actions);
        let log_mu = method.log_behaviour(segment);
        let ratio = |i: usize| (likelihoods[i].log_probability - log_mu[i]).exp();
        let (g, lambda) = (f64::from(settings.discount), f64::from(settings.gae_lambda));
        let behind = |i: usize| match segment.ends[i] {
            End::Continues if i + 3 < 18 => (f64::from(v[i + 3]), true),
            End::Continues => (f64::from(open.bootstrap[i % 3]), false),
            _ => (f64::from(open.at_ends[i]), false),
        };
        let delta = |i: usize| {
            let next = behind(i).0;
            ratio(i).min(1.0) * (f64::from(segment.rewards[i]) + g * next - f64::from(v[i]))
        };
        let traced = |first: usize| {
            let (mut sum, mut weight, mut i) = (f64::from(v[first]), 1.0, first);
            loop {
                sum += weight * delta(i);
                weight *= g * lambda * ratio(i).min(1.0);
                if !behind(i).1 {
                    return sum;
                }
                i += 3;
            }
        };
        let rows = (0..18).filter(|i| i % 3 != 1 || i / 3 < 4);
        let losses = rows.map(|i| {
            let next = match behind(i) {
                (_, true) => traced(i + 3),
                (v, false) => v,
            };
            let a = f64::from(segment.rewards[i]) + g * next - f64::from(v[i]);
            let (free, held) = (ratio(i) * a, ratio(i).clamp(0.9, 1.1) * a);
            let error = traced(i) - f64::from(v[i]);
            -free.min(held) + 0.7 * 0.5 * error * error - 0.1 * likelihoods[i].entropy
        });
        let terms = found.terms.iter();
        let penalty = terms.filter(|(name, _)| *name == "bounds_penalty");
        let penalty = penalty.map(|(_, mean)| mean).sum::<f64>();
        let expected = losses.sum::<f64>() / 16.0 + penalty;
        assert_close(&[found.total], &[expected], 1e-5);
    }
}

/// As long as the policy is the one that acted a gradient of unrolls is IMPALA's.
#[test]
fn with_a_ratio_of_one_unrolls_have_impalas_gradient() {
    for (spaces, change, masked) in kinds() {
        let settings = PpoSettings {
            entropy_weight: 0.02,
            gae_lambda: 1.0,
            ..plain()
        };
        let mut method = ppo(&settings, change, &spaces);
        let unrolls = unrolls(&method, &spaces, masked);
        // The weights that acted.
        let mut online = drawn_model(method.actor_critic.network(), 4);
        let found = loss_of_unrolls(&mut method, &mut *online, &unrolls);
        assert!(term(&found, "kl").abs() < 1e-6);
        let found = gradient(&mut *online, &found);
        let mut experiment = experiment(&settings, change);
        experiment.method = MethodSettings::Impala(ImpalaSettings {
            t_max: settings.t_max,
            discount: settings.discount,
            entropy_weight: settings.entropy_weight,
            value_weight: settings.value_weight,
            // Ratios are 1 but for rounding, which is not to be truncated.
            importance_weight_limit: 2.0,
            trace_limit: 1.5,
            ..ImpalaSettings::default()
        });
        let mut impala = Learner::new(&experiment, &spaces);
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        let batch = Batch::Stretches(&unrolls);
        let objective = &mut impala.parts.objective;
        let expected = objective.loss(networks, batch, &mut impala.rng).unwrap();
        let expected = gradient(&mut *online, &expected);
        assert_close(&double(&found), &double(&expected), 1e-4);
    }
}
