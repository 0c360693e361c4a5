use rand::RngExt;
use troop_common::experiment::{
    A3cSettings, EnvironmentSettings, Experiment, MethodSettings, Reduction,
};
use troop_common::moments::Moments;
use troop_common::spaces::{ActionSpace, ElementType};

use super::super::taken_actions::TakenActions;
use super::super::variant::Derivatives;
use super::*;
use crate::method::testing::{
    Game, Given, Learner, drawn_model, fresh_loss, gradient, model as zeros, random_segment,
    seeded, spaces,
};
use crate::method::{Purpose, n_step_returns};
use crate::nn::testing::assert_output_gradient;
use crate::nn::{NormalizingModel, OutputGradients, Outputs};
use troop_common::experience::{Actions, End, ObservationBuffer, Observations, RecurrentState};
use troop_replay::{SegmentReplay, SegmentShape};

fn experiment(settings: &AcerSettings, hidden: &[usize]) -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::Acer(settings.clone()),
        ..Experiment::default()
    };
    experiment.model.hidden = hidden.to_vec();
    // Of means beyond the bounds, which few tests have.
    experiment.model.bounds_penalty = 0.7;
    experiment
}

fn acer(settings: &AcerSettings, hidden: &[usize], spaces: &Spaces) -> Acer {
    Acer::new(settings, &experiment(settings, hidden).model, spaces).unwrap()
}

/// No replay, no trust region, no truncation, no entropy.
fn plain() -> AcerSettings {
    AcerSettings {
        replay_ratio: 0.0,
        importance_weight_limit: None,
        trust_region: None,
        entropy_weight: 0.0,
        ..AcerSettings::default()
    }
}

/// A segment that was acted by policies unlike the method's: μ are random.
fn off_policy_segment(spaces: &Spaces, seed: u64) -> Segment {
    let mut segment = random_segment(spaces, seed);
    let mut rng = seeded(seed + 1);
    for _ in 0..segment.len() {
        segment.behaviour.extend(match &spaces.action {
            ActionSpace::Discrete { n } => {
                let weights: Vec<f32> = (0..*n).map(|_| rng.random_range(0.1..3.0)).collect();
                let sum: f32 = weights.iter().sum();
                weights.iter().map(|w| w / sum).collect::<Vec<f32>>()
            }
            ActionSpace::Box { low, .. } => {
                low.iter().map(|_| rng.random_range(-0.8..0.8)).collect()
            }
            ActionSpace::MultiDiscrete { .. } => panic!("not here"),
        });
    }
    segment
}

/// A segment whose μ are the method's own policies under what `model` has loaded.
fn on_policy_segment(method: &Acer, model: &mut dyn Model, spaces: &Spaces) -> Segment {
    let mut segment = random_segment(spaces, 7);
    let outputs = model.evaluate(&Input::segment(&segment));
    let states = method.variant.states(outputs, &[]);
    segment.behaviour = states.phi.iter().map(|phi| *phi as f32).collect();
    segment
}

fn model(method: &Acer, seed: u64) -> Box<dyn Model> {
    drawn_model(method.variant.network(), seed)
}

fn term(loss: &Loss, name: &str) -> f64 {
    let (_, value) = loss.terms.iter().find(|(term, _)| *term == name).unwrap();
    *value
}

/// What the network made of the segment, as if its heads and then its head for actions had given `outputs`.
fn with_outputs(method: &Acer, of: &Evaluated, outputs: &[Vec<f32>]) -> Evaluated {
    let [heads @ .., judgements] = outputs else {
        panic!("heads and judgements")
    };
    let outputs = Outputs {
        heads: heads.to_vec(),
        ..Outputs::default()
    };
    let states = method.variant.states(&outputs, &[]);
    let mut given = Given {
        outputs,
        judgements: judgements.clone(),
        model: zeros(method.variant.network()),
    };
    let (actions, samples) = (of.actions.clone(), of.samples.clone());
    Evaluated::new(&*method.variant, &mut given, states, actions, samples)
}

/// At every output, with what the loss holds constant.
#[test]
fn the_full_loss_passes_finite_differences() {
    for spaces in [
        spaces::discrete(3),
        spaces::continuous(2),
        spaces::apart_from_zero(),
    ] {
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let settings = AcerSettings {
                reduction,
                entropy_weight: 0.1,
                importance_weight_limit: Some(0.8),
                trust_region: Some(0.05),
                ..AcerSettings::default()
            };
            let mut method = acer(&settings, &[5], &spaces);
            let segment = off_policy_segment(&spaces, 7);
            let average = model(&method, 4);
            method.weights_loaded(average.parameters(), None);
            let mut online = model(&method, 3);
            let of = method.evaluate(&mut *online, &segment, &mut seeded(1));
            let mut outputs = online.outputs().heads.clone();
            let mut rng = seeded(2);
            let mut judged = || -> f32 { rng.random_range(-1.0..1.0) };
            let judgements = segment.len() * (2 + settings.duelling_samples);
            outputs.push((0..judgements).map(|_| judged()).collect());
            let of = with_outputs(&method, &of, &outputs);
            let targets = method.targets(&mut *online, &segment, &of);
            let loss = descend(&settings, &*method.variant, &of, &targets);
            // Nothing of the loss is out of use: some steps are held back, some weights truncated.
            assert!(term(&loss, "trust_region") > 0.0);
            assert!(term(&loss, "bias_correction") > 0.0);
            assert!(term(&loss, "kl") > 0.0);
            let mut gradients = loss.gradients.heads.clone();
            match loss.gradients.judgements.is_empty() {
                true => gradients.push(vec![0.0; judgements]),
                false => gradients.push(loss.gradients.judgements.clone()),
            }
            assert_output_gradient(&outputs, &gradients, 1e-3, |outputs| {
                let of = with_outputs(&method, &of, outputs);
                descend(&settings, &*method.variant, &of, &targets).total
            });
        }
    }
}

/// The environment executes what its bounds, ±1 here, leave of an action: all beyond is worth the same.
#[test]
fn the_critic_judges_actions_as_they_are_executed() {
    let spaces = spaces::continuous(2);
    let method = acer(&plain(), &[5], &spaces);
    let mut online = model(&method, 3);
    let segment = off_policy_segment(&spaces, 7);
    let of = method.evaluate(&mut *online, &segment, &mut seeded(1));
    let variant = &*method.variant;
    let mut q = |action: [f64; 2]| {
        let actions = TakenActions::Points {
            all: action.repeat(segment.len()),
            dimensions: 2,
        };
        variant
            .judge(&mut *online, &of.states, &actions, of.samples.as_ref())
            .q_t
    };
    assert_eq!(q([7.0, -1.5]), q([1.0, -1.0]));
    assert_ne!(q([0.9, -1.0]), q([1.0, -1.0]));
}

fn assert_same(found: &[f32], expected: &[f32]) {
    assert!(expected.iter().any(|value| value.abs() > 1e-3));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5 * (1.0 + expected.abs()),
            "{found} for {expected}"
        );
    }
}

/// First parameters with which all actions are worth the same in each state: the rows of the head for Q
/// alike, or the output of the head for A zero.
fn without_advantages(method: &Acer, seed: u64) -> Vec<f32> {
    let layout = method.variant.network().layout();
    let mut parameters = layout.initialize(seed);
    for (spec, range) in layout.ranges() {
        let own = &mut parameters[range];
        if spec.name.starts_with("q.") {
            let (first, others) = own.split_at_mut(own.len() / spec.shape[0]);
            let others = others.chunks_exact_mut(first.len());
            others.for_each(|row| row.copy_from_slice(first));
        }
        if spec.name.starts_with("advantage.1") {
            own.fill(0.0);
        }
    }
    parameters
}

/// On-policy, without anything that ACER adds, it is the n-step actor-critic: where no action is
/// worth more than its state, `∇ −log f(a_t|φ)(R_t − V_t) + c_v ∇(R_t − Q_t)²`, and the same for V.
#[test]
fn on_policy_without_its_additions_it_is_the_n_step_actor_critic() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
        let settings = plain();
        let mut method = acer(&settings, &[5], &spaces);
        let mut online = model(&method, 3);
        online.load(&without_advantages(&method, 3));
        let segment = on_policy_segment(&method, &mut *online, &spaces);
        let loss = method.learn(&mut *online, &segment, &mut seeded(1));
        let found = gradient(&mut *online, &loss);

        let of = method.evaluate(&mut *online, &segment, &mut seeded(1));
        let state = online.outputs().open_state();
        let outputs = online.evaluate(&Input::open(&segment, state));
        let open: Vec<f32> = method
            .variant
            .states(outputs, &[])
            .v
            .iter()
            .map(|v| *v as f32)
            .collect();
        let open = segment.open_values(&open);
        let r_t = n_step_returns(&segment.rewards, &segment.ends, &open, settings.discount);
        let expected = n_step_actor_critic(&method, &of, &r_t);
        let expected = variant_gradient(&mut *online, &expected);
        // The gradient of A itself depends on the samples, which are others each time.
        let mut ranges = method.variant.network().layout().ranges();
        let sampled = ranges.find(|(spec, _)| spec.name.starts_with("advantage"));
        let certain = sampled.map_or(expected.len(), |(_, range)| range.start);
        assert_same(&found[..certain], &expected[..certain]);
    }
}

/// The gradient at the outputs of `mean −log f(a_t|φ)(R_t − V_t) + ½ (R_t − Q_t)²`, and of `½ (R_t − V_t)²` if V is
/// learnt by itself.
fn n_step_actor_critic(method: &Acer, of: &Evaluated, r_t: &[f32]) -> OutputGradients {
    let (variant, width) = (&*method.variant, method.variant.statistics());
    let share = 1.0 / r_t.len() as f64;
    let mut derivatives = Derivatives::default();
    for (row, r) in r_t.iter().enumerate() {
        let (r, v) = (f64::from(*r), of.states.v[row]);
        let phi = &of.states.phi[row * width..][..width];
        let mut score = vec![0.0; width];
        variant.family().score(phi, of.actions.of(row), &mut score);
        derivatives
            .phi
            .extend(score.iter().map(|score| -share * score * (r - v)));
        derivatives.q_t.push(-share * (r - of.judgement.q_t[row]));
        if variant.learns_state_values() {
            derivatives.v.push(-share * (r - v));
        }
    }
    variant.gradients(&of.states, &of.actions, &derivatives)
}

fn variant_gradient(online: &mut dyn Model, of: &OutputGradients) -> Vec<f32> {
    let mut gradient = vec![f32::NAN; online.network().layout().len()];
    online.backward(of, &mut gradient);
    gradient
}

/// The same beside the project's own A3C: equal parameters, equal gradients of body and policy.
#[test]
fn on_policy_without_its_additions_the_policy_learns_as_a3cs() {
    let spaces = spaces::discrete(3);
    let settings = AcerSettings {
        value_weight: 0.0,
        entropy_weight: 0.02,
        ..plain()
    };
    let mut method = acer(&settings, &[5], &spaces);
    let mut experiment = experiment(&settings, &[5]);
    let a3c = A3cSettings {
        value_weight: 0.0,
        entropy_weight: 0.02,
        gae_lambda: 1.0,
        ..A3cSettings::default()
    };
    experiment.method = MethodSettings::A3c(a3c);
    let mut a3c = Learner::new(&experiment, &spaces);
    let (mut own, mut theirs) = (model(&method, 3), a3c.model());
    let parameters = without_advantages(&method, 3);
    own.load(&parameters);
    // The heads for V and Q are the last ones; V's is one row of Q's.
    let shared = a3c.network().layout().len() - 6;
    let q = &parameters[shared..];
    theirs.load(&[&parameters[..shared], &q[..5], &q[15..16]].concat());
    let segment = on_policy_segment(&method, &mut *own, &spaces);
    let found = method.learn(&mut *own, &segment, &mut seeded(1));
    let objective = &mut *a3c.parts.objective;
    let mut target = drawn_model(&a3c.parts.network, 3);
    let expected = fresh_loss(objective, &mut *theirs, &mut *target, &segment);
    let found = gradient(&mut *own, &found);
    let expected = gradient(&mut *theirs, &expected);
    assert_same(&found[..shared], &expected[..shared]);
}

#[test]
fn on_policy_nothing_is_truncated_and_the_terms_say_so() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
        let mut method = acer(&AcerSettings::default(), &[5], &spaces);
        let mut online = model(&method, 3);
        method.weights_loaded(online.parameters(), None);
        let segment = on_policy_segment(&method, &mut *online, &spaces);
        let loss = method.learn(&mut *online, &segment, &mut seeded(1));
        assert!((term(&loss, "importance_weight") - 1.0).abs() < 1e-6);
        // μ went through single precision.
        assert!(term(&loss, "bias_correction") < 1e-6);
        assert!(term(&loss, "kl").abs() < 1e-12);
        let mut target = model(&method, 3);
        let live = fresh_loss(&mut method, &mut *online, &mut *target, &segment);
        assert!(
            live.terms
                .iter()
                .all(|(name, _)| *name != "importance_weight")
        );
    }
}

/// With the same parameters it is the same policy, whatever observations are normalised by.
#[test]
fn the_average_network_is_shown_what_the_online_one_is() {
    let spaces = spaces::continuous(2);
    let settings = EnvironmentSettings {
        normalize_observations: true,
        ..EnvironmentSettings::default()
    };
    let by = Normalization::new(&settings, &spaces.observation);
    let mut by = by.unwrap().unwrap();
    let moments = Moments::from_parts(10, vec![3.0; 4], vec![90.0; 4]);
    by.load(&moments.unwrap()).unwrap();
    let mut method = acer(&AcerSettings::default(), &[5], &spaces);
    let mut online = NormalizingModel::new(model(&method, 3));
    online.normalize_by(&by);
    method.weights_loaded(online.parameters(), None);
    let segment = off_policy_segment(&spaces, 7);
    let kl = |method: &mut Acer, online: &mut NormalizingModel| {
        term(&method.learn(online, &segment, &mut seeded(1)), "kl")
    };
    assert!(kl(&mut method, &mut online) > 1e-6);
    method.normalized_by(&by);
    assert!(kl(&mut method, &mut online).abs() < 1e-12);
}

/// What the step moves the policy away from the average one is at most δ in every row.
#[test]
fn the_trust_region_holds() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
        let delta = 0.02;
        let settings = AcerSettings {
            trust_region: Some(delta),
            ..AcerSettings::default()
        };
        let mut method = acer(&settings, &[5], &spaces);
        let average = model(&method, 9);
        method.weights_loaded(average.parameters(), None);
        let mut online = model(&method, 3);
        let segment = off_policy_segment(&spaces, 5);
        let of = method.evaluate(&mut *online, &segment, &mut seeded(1));
        let z = method.targets(&mut *online, &segment, &of).z;
        let average = method.average.model().unwrap();
        let outputs = average.evaluate(&Input::segment(&segment));
        let phi_avg = method.variant.states(outputs, &[]).phi;
        let (family, width) = (method.variant.family(), method.variant.statistics());
        let rows = z.chunks_exact(width).zip(phi_avg.chunks_exact(width));
        let moved = rows
            .zip(of.states.phi.chunks_exact(width))
            .map(|((z, avg), phi)| {
                let mut kappa = vec![0.0; width];
                family.divergence_gradient(avg, phi, &mut kappa);
                kappa.iter().zip(z).map(|(kappa, z)| kappa * z).sum::<f64>()
            });
        let moved: Vec<f64> = moved.collect();
        assert!(moved.iter().all(|by| *by < delta + 1e-9));
        let close = moved.iter().filter(|by| **by >= delta - 1e-9).count();
        assert!(close > 0 && close < segment.len(), "{close}");
    }
}

const UNIFORM_Q: [f32; 4] = [6.975, 7.525, 8.525, 6.975];

/// `Q(s, a)` of the table that a network without hidden layers is: a weight for each action and
/// state, and a bias for each action; the policy's come before.
fn table(learned: &[f32]) -> [f32; 4] {
    let q = &learned[6..];
    let at = |state: usize, action: usize| q[action * 2 + state] + q[4 + action];
    [at(0, 0), at(0, 1), at(1, 0), at(1, 1)]
}

fn assert_near(found: [f32; 4], expected: [f32; 4], tolerance: f32) {
    for (one, expected) in found.iter().zip(expected) {
        assert!(
            (one - expected).abs() < tolerance,
            "{found:?} for {expected:?}"
        );
    }
}

fn game_settings() -> AcerSettings {
    AcerSettings {
        t_max: 5,
        discount: 0.9,
        entropy_weight: 0.0,
        ..AcerSettings::default()
    }
}

/// Only Q learns, so that the policy stays uniform.
#[test]
fn q_of_the_uniform_policy_on_m1() {
    let settings = AcerSettings {
        replay_ratio: 0.0,
        ..game_settings()
    };
    let mut method = Learner::new(&experiment(&settings, &[]), &Game::spaces());
    let learned = Game::new(32).learn(&mut method, 1200, 0.3, |gradient| gradient[..6].fill(0.0));
    assert_near(table(&learned), UNIFORM_Q, 0.25);
}

/// The same from what another policy lived through: Retrace looks through it.
#[test]
fn q_of_the_uniform_policy_from_another_policys_replay() {
    let spaces = Game::spaces();
    let mut experiment = experiment(&game_settings(), &[]);
    experiment.environment.envs_per_worker = 16;
    let mut method = Learner::new(&experiment, &spaces);
    let mut online = method.model();
    // Logits: a0 is e^0.8 times as likely as a1 in both states.
    let mut values = vec![0.0; method.network().layout().len()];
    values[4] = 0.8;
    online.load(&values);
    let mut game = Game::new(16);
    let mut replay = SegmentReplay::new(SegmentShape {
        spaces,
        stack: 1,
        environments: 16,
        t_max: game_settings().t_max,
        capacity: game_settings().replay_capacity_env_steps,
    });
    for _ in 0..60 {
        replay.store(&game.segment(&mut method, &mut *online));
    }
    values[4] = 0.0;
    let mut gradient = vec![0.0; values.len()];
    let updates = 1500;
    for update in 0..updates {
        online.load(&values);
        let segment = replay.sample(&mut method.rng).unwrap();
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        let objective = &mut method.parts.objective;
        let loss = objective.loss(networks, Batch::Replayed(&segment), &mut method.rng);
        let loss = loss.unwrap();
        if update == 0 {
            assert!((term(&loss, "importance_weight") - 1.0).abs() > 1e-3);
        }
        online.backward(&loss.gradients, &mut gradient);
        let rate = 0.3 / (1.0 + 4.0 * update as f32 / updates as f32);
        for (value, gradient) in values.iter_mut().zip(&gradient).skip(6) {
            *value -= rate * gradient;
        }
    }
    assert_near(table(&values), UNIFORM_Q, 0.25);
}

/// Everything at work: the policy becomes M1's best, and Q with it.
#[test]
fn the_best_policy_of_m1() {
    let mut experiment = experiment(&game_settings(), &[]);
    experiment.environment.envs_per_worker = 16;
    let mut method = Learner::new(&experiment, &Game::spaces());
    let mut values = vec![0.0; method.network().layout().len()];
    let mut gradient = vec![0.0; values.len()];
    let mut online = method.model();
    let (mut game, mut loaded) = (Game::new(16), None);
    for round in 0..500 {
        online.load(&values);
        method.parts.objective.weights_loaded(&values, loaded);
        let segment = game.segment(&mut method, &mut *online);
        method.append(&mut *online, &segment);
        let (parts, rng) = (&mut method.parts, &mut method.rng);
        let mut updates = 0;
        while let Some(batch) = parts.experience.next(1, rng) {
            online.load(&values);
            let updates = loaded
                .replace(1)
                .map(|_| std::mem::replace(&mut updates, 1));
            parts.objective.weights_loaded(&values, updates);
            let networks = Networks {
                online: &mut *online,
                target: None,
            };
            let loss = parts.objective.loss(networks, batch, rng).unwrap();
            online.backward(&loss.gradients, &mut gradient);
            let rate = 0.3 / (1.0 + 4.0 * round as f32 / 500.0);
            for (value, gradient) in values.iter_mut().zip(&gradient) {
                *value -= rate * gradient;
            }
        }
    }
    let logit = |state: usize, action: usize| values[action * 2 + state] + values[4 + action];
    let preference = [logit(0, 1) - logit(0, 0), logit(1, 0) - logit(1, 1)];
    assert!(preference.iter().all(|by| *by > 2.0), "{preference:?}");
    assert_near(table(&values), [9.9, 10.0, 11.0, 9.9], 0.5);
}

#[test]
fn a_segment_is_followed_by_as_many_replays_as_the_ratio_says_once_there_are_enough_steps() {
    let settings = AcerSettings {
        replay_ratio: 2.0,
        replay_start_env_steps: 100,
        ..game_settings()
    };
    let mut experiment = experiment(&settings, &[]);
    experiment.environment.envs_per_worker = 4;
    let mut method = Learner::new(&experiment, &Game::spaces());
    assert!(method.parts.replay_demand.is_some());
    let mut online = method.model();
    let mut game = Game::new(4);
    let mut counts = Vec::new();
    for _ in 0..604 {
        let segment = game.segment(&mut method, &mut *online);
        counts.push(method.gradients(&mut *online, &segment));
    }
    assert_eq!(counts[..4], [1; 4]);
    let mean = counts[4..].iter().sum::<usize>() as f64 / 600.0;
    assert!((mean - 3.0).abs() < 0.25, "{mean}");

    experiment.method = MethodSettings::Acer(plain());
    let mut method = Learner::new(&experiment, &Game::spaces());
    let segment = game.segment(&mut method, &mut *online);
    assert_eq!(method.gradients(&mut *online, &segment), 1);
    assert_eq!(method.parts.replay_demand, None);
}

#[test]
fn several_choices_at_once_are_refused() {
    let experiment = experiment(&AcerSettings::default(), &[]);
    let made = Learner::made(&experiment, &spaces::multi_discrete(&[2, 3]));
    let error = made.map(drop).unwrap_err();
    assert!(matches!(error, MethodError::SeveralChoices { .. }));
    assert!(error.to_string().contains("use method `a3c`"));
}

/// Closed choices are never taken, and a replayed state keeps them closed.
#[test]
fn closed_choices_stay_closed() {
    let spaces = spaces::discrete(3);
    let experiment = experiment(&AcerSettings::default(), &[5]);
    let mut method = Learner::new(&experiment, &spaces);
    let mut online = method.drawn_model(3);
    let mut rng = seeded(3);
    let values: Vec<f32> = (0..800).map(|_| rng.random_range(-2.0..2.0)).collect();
    let closed = [true, false, true].repeat(200);
    let mut shown = ObservationBuffer::new(&spaces.observation);
    shown.extend(Observations::F32(&values), Some(&closed));
    let state = RecurrentState::new(200, 0);
    let explore = Purpose::Explore { frames: 0 };
    let decision = method.act(&mut *online, &shown, &state, explore);
    let Actions::Discrete(taken) = &decision.actions else {
        panic!("discrete")
    };
    assert!(taken.contains(&0) && taken.contains(&2) && !taken.contains(&1));
    assert!(decision.behaviour.chunks(3).all(|mu| mu[1] == 0.0));
    let mut segment = Segment::new(200, &spaces);
    segment.observations = shown.clone();
    segment.bootstrap_observations = shown;
    segment.actions.extend(&decision.actions);
    segment.behaviour = decision.behaviour;
    segment.rewards = vec![1.0; 200];
    segment.ends = vec![End::Continues; 200];
    let mut target = method.drawn_model(3);
    let objective = &mut *method.parts.objective;
    let loss = fresh_loss(objective, &mut *online, &mut *target, &segment);
    let gradient = gradient(&mut *online, &loss);
    assert!(gradient.iter().all(|value| value.is_finite()));
}

/// Bytes: the network that the paper has for Atari, and its replay.
#[test]
fn the_papers_atari_set_up_can_be_made() {
    let mut experiment = experiment(&AcerSettings::default(), &[]);
    experiment.environment.id = "ALE/Pong-v5".into();
    experiment.model.body = troop_common::experiment::Body::NatureConv;
    let mut spaces = spaces::discrete(6);
    spaces.observation.shape = vec![4, 84, 84];
    spaces.observation.element = ElementType::U8;
    let method = Learner::new(&experiment, &spaces);
    let nature = 4 * 32 * 64 + 32 + 32 * 64 * 16 + 64 + 64 * 64 * 9 + 64 + 3136 * 512 + 512;
    assert_eq!(method.network().layout().len(), nature + 2 * (512 * 6 + 6));
    let demand = method.parts.replay_demand.unwrap();
    assert!(demand.bytes_per_worker < 400_000_000);
}
