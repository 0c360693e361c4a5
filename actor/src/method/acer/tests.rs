use rand::RngExt;
use tch::{Kind, Tensor};
use troop_common::experiment::{A3cSettings, Experiment, MethodSettings, Reduction};
use troop_common::spaces::{ActionSpace, ElementType};

use super::*;
use crate::method::testing::{
    Game, Learner, assert_gradient, doubles, fresh_loss, random_segment, seeded, spaces,
};
use crate::method::{Purpose, n_step_returns};
use troop_common::experience::{Actions, End, ObservationBuffer, Observations, RecurrentState};
use troop_replay::{SegmentReplay, SegmentShape};

fn experiment(settings: &AcerSettings, hidden: &[usize]) -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::Acer(settings.clone()),
        ..Experiment::default()
    };
    experiment.model.hidden = hidden.to_vec();
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

/// A segment whose μ are the method's own policies under `parameters`.
fn on_policy_segment(method: &Acer, parameters: &Parameters, spaces: &Spaces) -> Segment {
    let mut segment = random_segment(spaces, 7);
    let observed = Observed::of(&segment.observations);
    segment.behaviour = to_vec(&method.variant.states(parameters, &observed).phi);
    segment
}

fn term(loss: &Loss, name: &str) -> f64 {
    let (_, value) = loss.terms.iter().find(|(term, _)| *term == name).unwrap();
    value.double_value(&[])
}

#[test]
fn the_full_loss_passes_finite_differences() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
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
            method.weights_loaded(&doubles(method.variant.network(), 4), None);
            let parameters = doubles(method.variant.network(), 3);
            let of = method.evaluate(&parameters, &segment, &mut seeded(1));
            let targets = method.targets(&parameters, &segment, &of);
            let loss = descend(&settings, &*method.variant, &of, &targets);
            // Nothing of the loss is out of use: some steps are held back, some weights truncated.
            assert!(term(&loss, "trust_region") > 0.0);
            assert!(term(&loss, "bias_correction") > 0.0);
            assert!(term(&loss, "kl") > 0.0);
            let samples = of.samples;
            assert_gradient(&parameters, |parameters| {
                let variant = &*method.variant;
                let states = variant.states(parameters, &Observed::of(&segment.observations));
                let actions = variant.actions(&segment.actions, &states.phi);
                let judgement = variant.judge(parameters, &states, &actions, samples.as_ref());
                let of = Evaluated {
                    states,
                    actions,
                    samples: None,
                    judgement,
                };
                descend(&settings, variant, &of, &targets).total
            });
        }
    }
}

/// The environment executes what its bounds, ±1 here, leave of an action: all beyond is worth the same.
#[test]
fn the_critic_judges_actions_as_they_are_executed() {
    let spaces = spaces::continuous(2);
    let method = acer(&plain(), &[5], &spaces);
    let parameters = doubles(method.variant.network(), 3);
    let segment = off_policy_segment(&spaces, 7);
    let variant = &*method.variant;
    let states = variant.states(&parameters, &Observed::of(&segment.observations));
    let samples = variant.draw(&states.phi, &mut seeded(1));
    let q = |action: [f64; 2]| {
        let actions = Tensor::from_slice(&action).expand_as(&states.phi);
        let judgement = variant.judge(&parameters, &states, &actions, samples.as_ref());
        to_vec(&judgement.q_t)
    };
    assert_eq!(q([7.0, -1.5]), q([1.0, -1.0]));
    assert_ne!(q([0.9, -1.0]), q([1.0, -1.0]));
}

fn gradient(parameters: &Parameters, loss: &Tensor) -> Vec<f32> {
    let len = parameters.tensors().iter().map(Tensor::numel).sum();
    let mut gradient = vec![0.0; len];
    parameters.gradient(loss, &mut gradient).unwrap();
    gradient
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

/// Makes all actions worth the same in each state: the rows of the head for Q alike, or the
/// output of the head for A zero.
fn without_advantages(method: &Acer, parameters: &Parameters) {
    let tensors = method.variant.network().layout().tensors();
    for (spec, tensor) in tensors.iter().zip(parameters.tensors()) {
        let mut own = tensor.detach();
        if spec.name.starts_with("q.") {
            let first = own.narrow(0, 0, 1).copy();
            tch::no_grad(|| own.copy_(&first.expand_as(&own)));
        }
        if spec.name.starts_with("advantage.1") {
            let _ = tch::no_grad(|| own.zero_());
        }
    }
}

/// On-policy, without anything that ACER adds, it is the n-step actor-critic: where no action is
/// worth more than its state, `∇ −log f(a_t|φ)(R_t − V_t) + c_v ∇(R_t − Q_t)²`, and the same for V.
#[test]
fn on_policy_without_its_additions_it_is_the_n_step_actor_critic() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
        let settings = plain();
        let mut method = acer(&settings, &[5], &spaces);
        let parameters = doubles(method.variant.network(), 3);
        without_advantages(&method, &parameters);
        let segment = on_policy_segment(&method, &parameters, &spaces);
        let loss = fresh_loss(&mut method, &parameters, &parameters, &segment);

        let of = method.evaluate(&parameters, &segment, &mut seeded(1));
        let open = method
            .variant
            .states(&parameters, &Observed::open(&segment))
            .v;
        let open = segment.open_values(&to_vec(&open));
        let returns = n_step_returns(&segment.rewards, &segment.ends, &open, settings.discount);
        let r_t = Tensor::from_slice(&returns).to_kind(Kind::Double);
        let log_f = method
            .variant
            .family()
            .log_probability(&of.states.phi, &of.actions);
        let mut rows = -log_f * (&r_t - of.states.v.detach());
        rows += (&r_t - &of.judgement.q_t).square() * 0.5;
        if method.variant.learns_state_values() {
            rows += (&r_t - &of.states.v).square() * 0.5;
        }
        let expected = gradient(&parameters, &rows.mean(Kind::Double));
        // The gradient of A itself depends on the samples, which are others each time.
        let mut ranges = method.variant.network().layout().ranges();
        let sampled = ranges.find(|(spec, _)| spec.name.starts_with("advantage"));
        let certain = sampled.map_or(expected.len(), |(_, range)| range.start);
        let found = gradient(&parameters, &loss.total);
        assert_same(&found[..certain], &expected[..certain]);
    }
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
    let own = doubles(method.variant.network(), 3);
    without_advantages(&method, &own);
    let theirs = doubles(a3c.network(), 3);
    for (to, from) in theirs.tensors().iter().zip(own.tensors()) {
        // The heads for V and Q are the last ones; V's is one row of Q's.
        let from = from.detach().narrow(0, 0, to.size()[0]);
        tch::no_grad(|| to.detach().copy_(&from));
    }
    let segment = on_policy_segment(&method, &own, &spaces);
    let found = fresh_loss(&mut method, &own, &own, &segment).total;
    let expected = fresh_loss(&mut *a3c.parts.objective, &theirs, &theirs, &segment).total;
    let (found, expected) = (gradient(&own, &found), gradient(&theirs, &expected));
    let shared = a3c.network().layout().len() - 6;
    assert_same(&found[..shared], &expected[..shared]);
}

#[test]
fn on_policy_nothing_is_truncated_and_the_terms_say_so() {
    for spaces in [spaces::discrete(3), spaces::continuous(2)] {
        let mut method = acer(&AcerSettings::default(), &[5], &spaces);
        let parameters = doubles(method.variant.network(), 3);
        method.weights_loaded(&parameters, None);
        let segment = on_policy_segment(&method, &parameters, &spaces);
        let loss = method.learn(&parameters, &segment, &mut seeded(1));
        assert!((term(&loss, "importance_weight") - 1.0).abs() < 1e-6);
        assert_eq!(term(&loss, "bias_correction"), 0.0);
        assert!(term(&loss, "kl").abs() < 1e-12);
        let live = fresh_loss(&mut method, &parameters, &parameters, &segment);
        assert!(
            live.terms
                .iter()
                .all(|(name, _)| *name != "importance_weight")
        );
    }
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
        method.weights_loaded(&doubles(method.variant.network(), 9), None);
        let parameters = doubles(method.variant.network(), 3);
        let segment = off_policy_segment(&spaces, 5);
        let of = method.evaluate(&parameters, &segment, &mut seeded(1));
        let z = method.targets(&parameters, &segment, &of).z;
        let average = method.average.parameters().unwrap();
        let observed = Observed::of(&segment.observations);
        let phi_avg = method.variant.states(average, &observed).phi;
        let family = method.variant.family();
        let kappa = family.divergence_gradient(&phi_avg, &of.states.phi);
        let moved = (kappa * z).sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
        assert!(moved.max().double_value(&[]) < delta + 1e-9);
        let close = moved.ge(delta - 1e-9).sum(Kind::Int64).int64_value(&[]);
        assert!(close > 0 && close < segment.len() as i64, "{close}");
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
    let mut online = method.network().parameters();
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
        replay.store(&game.segment(&mut method, &online));
    }
    values[4] = 0.0;
    let mut gradient = vec![0.0; values.len()];
    let updates = 1500;
    for update in 0..updates {
        online.load(&values);
        let segment = replay.sample(&mut method.rng).unwrap();
        let networks = Networks {
            online: &online,
            target: None,
        };
        let objective = &mut method.parts.objective;
        let loss = objective.loss(networks, Batch::Replayed(&segment), &mut method.rng);
        let loss = loss.unwrap();
        if update == 0 {
            assert!((term(&loss, "importance_weight") - 1.0).abs() > 1e-3);
        }
        online.gradient(&loss.total, &mut gradient).unwrap();
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
    let mut online = method.network().parameters();
    let (mut game, mut loaded) = (Game::new(16), None);
    for round in 0..500 {
        online.load(&values);
        method.parts.objective.weights_loaded(&online, loaded);
        let segment = game.segment(&mut method, &online);
        method.append(&online, &segment);
        let (parts, rng) = (&mut method.parts, &mut method.rng);
        let mut updates = 0;
        while let Some(batch) = parts.experience.next(1, rng) {
            online.load(&values);
            let updates = loaded
                .replace(1)
                .map(|_| std::mem::replace(&mut updates, 1));
            parts.objective.weights_loaded(&online, updates);
            let networks = Networks {
                online: &online,
                target: None,
            };
            let loss = parts.objective.loss(networks, batch, rng).unwrap();
            loss.gradient(&online, &mut gradient).unwrap();
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
    let online = method.network().parameters();
    let mut game = Game::new(4);
    let mut counts = Vec::new();
    for _ in 0..604 {
        let segment = game.segment(&mut method, &online);
        counts.push(method.gradients(&online, &segment));
    }
    assert_eq!(counts[..4], [1; 4]);
    let mean = counts[4..].iter().sum::<usize>() as f64 / 600.0;
    assert!((mean - 3.0).abs() < 0.25, "{mean}");

    experiment.method = MethodSettings::Acer(plain());
    let mut method = Learner::new(&experiment, &Game::spaces());
    let segment = game.segment(&mut method, &online);
    assert_eq!(method.gradients(&online, &segment), 1);
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
    let parameters = doubles(method.network(), 3);
    let values = to_vec(&Tensor::randn([200, 4], (Kind::Float, tch::Device::Cpu)));
    let closed = [true, false, true].repeat(200);
    let mut shown = ObservationBuffer::new(&spaces.observation);
    shown.extend(Observations::F32(&values), Some(&closed));
    let state = RecurrentState::new(200, 0);
    let explore = Purpose::Explore { frames: 0 };
    let decision = method.act(&parameters, &shown, &state, explore);
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
    let loss = fresh_loss(
        &mut *method.parts.objective,
        &parameters,
        &parameters,
        &segment,
    );
    let gradient = gradient(&parameters, &loss.total);
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
