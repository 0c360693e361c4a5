use super::*;
use crate::method::Purpose;
use crate::method::m1_policies::{MU, PI, Table, between, values};
use crate::method::testing::{
    Game, Learner, actor_critics, assert_close, assert_ends_separate_in, drawn_model, fresh_loss,
    gradient, loss_and_gradient, numbers, seeded, segment_with, setting, shown_at, spaces,
};
use crate::nn::Model;
use crate::nn::testing::assert_output_gradient;
use troop_common::experiment::{A3cSettings, Experiment, MethodSettings, ModelSettings, Reduction};
use troop_common::spaces::Spaces;

fn experiment(settings: &ImpalaSettings, change: impl FnOnce(&mut ModelSettings)) -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::Impala(settings.clone()),
        ..Experiment::default()
    };
    experiment.model.hidden = vec![5];
    change(&mut experiment.model);
    experiment
}

fn impala(
    settings: &ImpalaSettings,
    change: impl FnOnce(&mut ModelSettings),
    of: &Spaces,
) -> Impala {
    let experiment = experiment(settings, change);
    let actor_critic = ActorCritic::new(&setting(&experiment, of, &mut seeded(1))).unwrap();
    Impala {
        settings: settings.clone(),
        actor_critic: Arc::new(actor_critic),
    }
}

/// Everything at work: both truncations, λ, entropy.
fn everything(reduction: Reduction) -> ImpalaSettings {
    ImpalaSettings {
        reduction,
        entropy_weight: 0.1,
        value_weight: 0.7,
        importance_weight_limit: 1.3,
        trace_limit: 0.9,
        lambda: 0.8,
        ..ImpalaSettings::default()
    }
}

/// A segment that was acted by policies unlike any network's: statistics are random.
fn off_policy_segment(method: &Impala, spaces: &Spaces, masked: bool) -> Segment {
    let state_len = method.actor_critic.network().state_len();
    let mut segment = segment_with(spaces, state_len, masked, 5);
    let statistics = segment.len() * method.actor_critic.policy().statistics_len();
    segment.behaviour = numbers(statistics, &mut seeded(8));
    segment
}

/// A segment that is acted by what `model` has loaded, step by step.
fn acted_segment(learner: &mut Learner, model: &mut dyn Model, spaces: &Spaces) -> Segment {
    let mut segment = segment_with(spaces, learner.network().state_len(), false, 7);
    let mut state = segment.initial_state.clone();
    segment.actions.clear();
    for (t, ends) in segment.ends.chunks_exact(segment.environments).enumerate() {
        let shown = shown_at(&segment, spaces, t);
        let decision = learner.act(model, &shown, &state, Purpose::Explore { frames: 1 });
        segment.actions.extend(&decision.actions);
        segment.behaviour.extend(&decision.behaviour);
        state.carry(decision.state, ends);
    }
    segment
}

fn term(loss: &Loss, name: &str) -> f64 {
    let (_, value) = loss.terms.iter().find(|(term, _)| *term == name).unwrap();
    *value
}

/// At every output, with what the loss holds constant.
#[test]
fn the_full_loss_passes_finite_differences() {
    for (index, (spaces, change)) in actor_critics().iter().enumerate() {
        let settings = everything([Reduction::Sum, Reduction::Mean][index % 2]);
        for masked in [false, true] {
            let mut method = impala(&settings, change, spaces);
            let masked = masked && spaces.action.choices() > 0;
            let network = Arc::clone(method.actor_critic.network());
            let segment = off_policy_segment(&method, spaces, masked);
            let (mut online, mut target) = (drawn_model(&network, 3), drawn_model(&network, 3));
            let loss = fresh_loss(&mut method, &mut *online, &mut *target, &segment);
            // Nothing of the loss is out of use.
            let truncated = term(&loss, "truncated");
            assert!(truncated > 0.0 && truncated < 1.0, "{truncated}");
            let outputs = online.outputs().clone();
            let open = method.actor_critic.open_values(&mut *online, &segment);
            let of = method.evaluate(&outputs, &segment);
            let ratios = method.ratios(&of, &segment).unwrap();
            let targets = method.targets(&ratios, of.v_t, &segment, &open);
            assert_output_gradient(&outputs.heads, &loss.gradients.heads, 1e-3, |heads| {
                let outputs = Outputs {
                    heads: heads.to_vec(),
                    ..Outputs::default()
                };
                let of = method.evaluate(&outputs, &segment);
                method.descend(&of, &segment, &targets, None).total
            });
        }
    }
}

#[test]
fn ends_inside_a_segment_are_the_same_as_separate_episodes() {
    for (spaces, change) in actor_critics() {
        let settings = everything(Reduction::Sum);
        let segment = off_policy_segment(&impala(&settings, change, &spaces), &spaces, false);
        let mut learner = Learner::new(&experiment(&settings, change), &spaces);
        assert_ends_separate_in(&segment, &mut learner, &spaces);
    }
}

/// The loss unrolls what acted, whatever ends in between: nothing is left of the importance weights.
#[test]
fn what_acted_is_on_policy() {
    for (spaces, change) in actor_critics() {
        let settings = ImpalaSettings::default();
        let mut learner = Learner::new(&experiment(&settings, change), &spaces);
        let mut online = learner.drawn_model(3);
        let segment = acted_segment(&mut learner, &mut *online, &spaces);
        let method = impala(&settings, change, &spaces);
        let outputs = online.evaluate(&Input::segment(&segment)).clone();
        let ratios = method.ratios(&method.evaluate(&outputs, &segment), &segment);
        let ratios = ratios.unwrap();
        assert!(
            ratios.iter().all(|ratio| (ratio - 1.0).abs() < 1e-5),
            "{ratios:?}"
        );
        let mut target = learner.drawn_model(3);
        let objective = &mut *learner.parts.objective;
        let loss = fresh_loss(objective, &mut *online, &mut *target, &segment);
        assert!((term(&loss, "importance_weight") - 1.0).abs() < 1e-5);
    }
}

/// With λ = 1 and ρ̄, c̄ ≥ 1, and half of A3C's value loss, which has no ½.
#[test]
fn on_policy_its_gradient_is_a3cs() {
    for (index, (spaces, change)) in actor_critics().into_iter().enumerate() {
        let reduction = [Reduction::Sum, Reduction::Mean][index % 2];
        let settings = ImpalaSettings {
            reduction,
            value_weight: 1.0,
            // Ratios are 1 but for rounding, which is not to be truncated.
            importance_weight_limit: 2.0,
            trace_limit: 1.5,
            ..ImpalaSettings::default()
        };
        let a3c = A3cSettings {
            reduction,
            value_weight: 0.5,
            gae_lambda: 1.0,
            ..A3cSettings::default()
        };
        let mut experiment = experiment(&settings, change);
        let mut own = Learner::new(&experiment, &spaces);
        experiment.method = MethodSettings::A3c(a3c);
        let mut other = Learner::new(&experiment, &spaces);
        let (mut online, mut target) = (own.drawn_model(3), own.drawn_model(9));
        let segment = acted_segment(&mut own, &mut *online, &spaces);
        let mut of = |objective: &mut dyn Objective| {
            loss_and_gradient(objective, &mut *online, &mut *target, &segment)
        };
        let (own_loss, own) = of(&mut *own.parts.objective);
        let (other_loss, other) = of(&mut *other.parts.objective);
        assert_close(&[own_loss], &[other_loss], 1e-4);
        assert_close(&own, &other, 1e-4);
        assert!(own.iter().any(|gradient| gradient.abs() > 1e-2));
    }
}

#[test]
fn replayed_segments_are_learnt_from_like_fresh_ones() {
    let spaces = spaces::discrete(3);
    let mut method = impala(&everything(Reduction::Mean), |_| {}, &spaces);
    let segment = off_policy_segment(&method, &spaces, false);
    let mut online = drawn_model(method.actor_critic.network(), 3);
    let losses = [Batch::Fresh(&segment), Batch::Replayed(&segment)].map(|batch| {
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        method.loss(networks, batch, &mut seeded(1)).unwrap()
    });
    assert_eq!(losses[0], losses[1]);
}

#[test]
fn segments_without_statistics_are_refused() {
    let spaces = spaces::discrete(3);
    let mut method = impala(&ImpalaSettings::default(), |_| {}, &spaces);
    let mut segment = off_policy_segment(&method, &spaces, false);
    for left in [segment.behaviour.len() - 1, 0] {
        segment.behaviour.truncate(left);
        let networks = Networks {
            online: &mut *drawn_model(method.actor_critic.network(), 3),
            target: None,
        };
        let loss = method.loss(networks, Batch::Fresh(&segment), &mut seeded(1));
        let error = loss.unwrap_err().to_string();
        assert!(
            error.contains("statistics of the policy that acted"),
            "{error}"
        );
    }
}

/// Ratios that are 0 or beyond any number.
#[test]
fn policies_far_apart_stay_finite() {
    for (spaces, change) in actor_critics() {
        let mut method = impala(&ImpalaSettings::default(), change, &spaces);
        let mut segment = off_policy_segment(&method, &spaces, false);
        segment.behaviour.iter_mut().for_each(|value| *value *= 1e4);
        let network = Arc::clone(method.actor_critic.network());
        let (mut online, mut target) = (drawn_model(&network, 3), drawn_model(&network, 3));
        let loss = fresh_loss(&mut method, &mut *online, &mut *target, &segment);
        assert!(loss.total.is_finite(), "{}", loss.total);
        assert!(loss.terms.iter().all(|(_, value)| value.is_finite()));
        let gradient = gradient(&mut *online, &loss);
        assert!(gradient.iter().all(|value| value.is_finite()));
    }
}

fn game_settings() -> ImpalaSettings {
    ImpalaSettings {
        t_max: 5,
        discount: 0.9,
        entropy_weight: 0.0,
        value_weight: 1.0,
        ..ImpalaSettings::default()
    }
}

/// Parameters of a network without hidden layers that acts as a table says: the policy's weights and biases,
/// then the value's.
fn parameters_of(policy: Table) -> Vec<f32> {
    let logit = |a: usize, s: usize| policy[s][a].ln() as f32;
    let weights = [logit(0, 0), logit(0, 1), logit(1, 0), logit(1, 1)];
    [&weights[..], &[0.0; 5]].concat()
}

/// While μ acts, the values of the policy in between are learnt of π.
#[test]
fn values_on_m1_are_those_of_the_policy_between() {
    let clear = |model: &mut ModelSettings| model.hidden.clear();
    for rho_limit in [1.0, 10.0] {
        let settings = ImpalaSettings {
            importance_weight_limit: rho_limit,
            ..game_settings()
        };
        let mut learner = Learner::new(&experiment(&settings, clear), &Game::spaces());
        let (mut acting, mut online) = (learner.model(), learner.model());
        acting.load(&parameters_of(MU));
        let mut parameters = parameters_of(PI);
        let mut gradient = vec![0.0; parameters.len()];
        let mut game = Game::new(32);
        let updates = 1200;
        for update in 0..updates {
            let segment = game.segment(&mut learner, &mut *acting);
            online.load(&parameters);
            let networks = Networks {
                online: &mut *online,
                target: None,
            };
            let objective = &mut learner.parts.objective;
            let loss = objective.loss(networks, Batch::Replayed(&segment), &mut learner.rng);
            online.backward(&loss.unwrap().gradients, &mut gradient);
            let rate = 0.3 / (1.0 + 4.0 * update as f32 / updates as f32);
            let of_v = parameters.iter_mut().zip(&gradient).skip(6);
            of_v.for_each(|(value, gradient)| *value -= rate * gradient);
        }
        let expected = values(between(PI, rho_limit));
        for (s, expected) in expected.iter().enumerate() {
            let found = f64::from(parameters[6 + s] + parameters[8]);
            assert!((found - expected).abs() < 0.25, "{found} for {expected}");
        }
    }
}

/// The actor's weights are forty updates old all the time.
#[test]
fn it_finds_the_best_policy_of_m1_from_an_old_policys_segments() {
    let clear = |model: &mut ModelSettings| model.hidden.clear();
    let settings = ImpalaSettings {
        entropy_weight: 0.01,
        ..game_settings()
    };
    let mut learner = Learner::new(&experiment(&settings, clear), &Game::spaces());
    let (mut acting, mut online) = (learner.model(), learner.model());
    let mut history = vec![vec![0.0; learner.network().layout().len()]];
    let mut gradient = vec![0.0; history[0].len()];
    let mut game = Game::new(16);
    let mut weights_apart = 0;
    for update in 0..600_usize {
        acting.load(&history[update.saturating_sub(40)]);
        let segment = game.segment(&mut learner, &mut *acting);
        online.load(&history[update]);
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        let objective = &mut learner.parts.objective;
        let loss = objective.loss(networks, Batch::Replayed(&segment), &mut learner.rng);
        let loss = loss.unwrap();
        weights_apart += usize::from(term(&loss, "importance_weight") < 0.99);
        online.backward(&loss.gradients, &mut gradient);
        let pairs = history[update].iter().zip(&gradient);
        history.push(
            pairs
                .map(|(value, gradient)| value - 0.1 * gradient)
                .collect(),
        );
    }
    assert!(weights_apart > 20, "{weights_apart}");
    let learned = &history[600];
    let logit = |s: usize, a: usize| learned[a * 2 + s] + learned[4 + a];
    let preference = [logit(0, 1) - logit(0, 0), logit(1, 0) - logit(1, 1)];
    assert!(preference.iter().all(|by| *by > 1.0), "{preference:?}");
}

/// The network and the unroll of the paper's Atari experiments.
#[test]
fn the_papers_atari_set_up_can_be_made() {
    let preset = troop_common::experiment::Preset::find("pong-impala").unwrap();
    let mut spaces = spaces::discrete(6);
    spaces.observation.shape = vec![4, 84, 84];
    spaces.observation.element = troop_common::spaces::ElementType::U8;
    let learner = Learner::new(&preset.experiment().unwrap(), &spaces);
    let shallow = 4 * 16 * 64 + 16 + 16 * 32 * 16 + 32 + 2592 * 256 + 256;
    assert_eq!(learner.network().layout().len(), shallow + 257 * 7);
}
