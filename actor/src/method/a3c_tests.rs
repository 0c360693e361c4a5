use super::*;
use crate::method::testing::{
    Game, Learner, actor_critics, assert_close, assert_ends_separate, drawn_model, fresh_loss,
    loss_and_gradient, seeded, segment_with, setting, shown_at, spaces,
};
use crate::nn::distribution::Policy;
use crate::nn::testing::{BACKENDS, assert_output_gradient, reference_heads, slope};
use troop_common::experiment::{Experiment, MethodSettings, ModelSettings, Reduction};
use troop_common::spaces::Spaces;

fn experiment(settings: &A3cSettings, change: impl FnOnce(&mut ModelSettings)) -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::A3c(settings.clone()),
        ..Experiment::default()
    };
    experiment.model.hidden = vec![5];
    change(&mut experiment.model);
    experiment
}

fn a3c(settings: &A3cSettings, change: impl FnOnce(&mut ModelSettings), of: &Spaces) -> A3c {
    let experiment = experiment(settings, change);
    let actor_critic = ActorCritic::new(&setting(&experiment, of, &mut seeded(1))).unwrap();
    A3c {
        settings: settings.clone(),
        actor_critic: Arc::new(actor_critic),
    }
}

/// At every output, with what the loss holds constant.
#[test]
fn the_full_loss_passes_finite_differences() {
    for (index, (spaces, change)) in actor_critics().iter().enumerate() {
        let settings = A3cSettings {
            reduction: [Reduction::Sum, Reduction::Mean][index % 2],
            entropy_weight: 0.1,
            gae_lambda: 0.9,
            view: [View::Forward, View::Backward][index / 2 % 2],
            ..A3cSettings::default()
        };
        for masked in [false, true] {
            let mut method = a3c(&settings, change, spaces);
            let masked = masked && spaces.action.choices() > 0;
            let network = Arc::clone(method.actor_critic.network());
            let segment = segment_with(spaces, network.state_len(), masked, 7);
            let (mut online, mut target) = (drawn_model(&network, 3), drawn_model(&network, 3));
            let loss = fresh_loss(&mut method, &mut *online, &mut *target, &segment);
            let outputs = online.outputs().clone();
            let open = method.actor_critic.open_values(&mut *online, &segment);
            let v_t = method.actor_critic.split(&outputs, &[]).1;
            let targets = method.targets(v_t, &segment, &open);
            assert_output_gradient(&outputs.heads, &loss.gradients.heads, 1e-3, |heads| {
                let outputs = Outputs {
                    heads: heads.to_vec(),
                    ..Outputs::default()
                };
                method.descend(&outputs, &segment, &targets).total
            });
        }
    }
}

#[test]
fn ends_inside_a_segment_are_the_same_as_separate_episodes() {
    let settings = A3cSettings {
        reduction: Reduction::Sum,
        ..A3cSettings::default()
    };
    for (spaces, change) in actor_critics() {
        let mut learner = Learner::new(&experiment(&settings, change), &spaces);
        assert_ends_separate(&mut learner, &spaces);
    }
}

#[test]
fn the_backward_view_has_the_forward_views_gradient() {
    for (index, (spaces, change)) in actor_critics().iter().enumerate() {
        let gradients = [View::Forward, View::Backward].map(|view| {
            let settings = A3cSettings {
                view,
                gae_lambda: [1.0, 0.8][index % 2],
                ..A3cSettings::default()
            };
            let mut method = a3c(&settings, change, spaces);
            let segment = segment_with(spaces, method.actor_critic.network().state_len(), false, 7);
            let network = Arc::clone(method.actor_critic.network());
            let (mut online, mut target) = (drawn_model(&network, 3), drawn_model(&network, 3));
            loss_and_gradient(&mut method, &mut *online, &mut *target, &segment).1
        });
        assert_close(&gradients[1], &gradients[0], 1e-5);
        assert!(gradients[0].iter().any(|gradient| gradient.abs() > 1e-2));
    }
}

/// What it carries on while it acts is what the loss unrolls, whatever ends in between.
#[test]
fn acting_and_learning_see_the_same_state() {
    let spaces = spaces::discrete(3);
    let method = a3c(
        &A3cSettings::default(),
        |model| model.lstm = Some(3),
        &spaces,
    );
    let network = method.actor_critic.network();
    let segment = segment_with(&spaces, network.state_len(), false, 7);
    let mut model = drawn_model(network, 3);
    let whole = model.evaluate(&Input::segment(&segment)).clone();
    let mut state = segment.initial_state.clone();
    let close = |found: &[f32], expected: &[f32]| {
        let mut pairs = found.iter().zip(expected);
        assert!(
            pairs.all(|(a, b)| (a - b).abs() < 1e-6),
            "{found:?} {expected:?}"
        );
    };
    for (t, ends) in segment.ends.chunks_exact(3).enumerate() {
        let shown = shown_at(&segment, &spaces, t);
        let step = model.evaluate(&Input::step(&shown, &state));
        close(&step.heads[0], &whole.heads[0][t * 9..(t + 1) * 9]);
        state.carry(step.state.clone(), ends);
    }
    close(state.values(), &whole.state);
}

/// V of the uniform policy on M1 is (7.25, 7.75), whatever λ and the segment's length.
#[test]
fn values_of_the_uniform_policy_on_m1() {
    for (t_max, gae_lambda) in [(1, 1.0), (5, 1.0), (5, 0.5), (5, 0.0)] {
        let settings = A3cSettings {
            t_max,
            gae_lambda,
            discount: 0.9,
            ..A3cSettings::default()
        };
        let (clear, spaces) = (
            |model: &mut ModelSettings| model.hidden.clear(),
            Game::spaces(),
        );
        let mut learner = Learner::new(&experiment(&settings, clear), &spaces);
        let policy = Policy::for_actions(&spaces.action, &ModelSettings::default())
            .heads()
            .iter()
            .map(|head| head.outputs * 3)
            .sum::<usize>();
        let mut game = Game::new(32);
        // Only the value head learns, so that the policy stays uniform.
        let learned = game.learn(&mut learner, 1200, 0.3, |gradient| {
            gradient[..policy].fill(0.0);
        });
        let v = |state: usize| learned[policy + state] + learned[policy + 2];
        assert!(
            (v(0) - 7.25).abs() < 0.25 && (v(1) - 7.75).abs() < 0.25,
            "{} {} ",
            v(0),
            v(1)
        );
    }
}

/// What means beyond the bounds cost reaches the parameters, whatever computes the network.
#[test]
fn the_bounds_penalty_passes_finite_differences_in_every_backend() {
    let spaces = spaces::apart_from_zero();
    let settings = A3cSettings {
        reduction: Reduction::Sum,
        ..A3cSettings::default()
    };
    let methods =
        [0.0, 0.7].map(|weight| a3c(&settings, |model| model.bounds_penalty = weight, &spaces));
    let network = Arc::clone(methods[0].actor_critic.network());
    let segment = segment_with(&spaces, 0, false, 7);
    let first = network.layout().initialize(3);
    let cost = |parameters: &[f64]| -> f64 {
        let heads = reference_heads(&network, parameters, &Input::segment(&segment));
        let rows = heads[0].chunks_exact(2);
        rows.map(|mean| 0.7 * ((0.4 - mean[0]).powi(2) + (mean[1] + 0.3).powi(2)))
            .sum()
    };
    let parameters: Vec<f64> = first.iter().map(|value| f64::from(*value)).collect();
    for backend in BACKENDS {
        let [free, bound] = methods.each_ref().map(|method| {
            let mut model = backend.model(&network);
            model.load(&first);
            model.forward(&Input::segment(&segment));
            let open = method.actor_critic.open_values(&mut *model, &segment);
            let v_t = method.actor_critic.split(model.outputs(), &[]).1;
            let targets = method.targets(v_t, &segment, &open);
            let loss = method.descend(model.outputs(), &segment, &targets);
            let mut gradient = vec![f32::NAN; first.len()];
            model.backward(&loss.gradients, &mut gradient);
            (loss.total, gradient)
        });
        assert!((bound.0 - free.0 - cost(&parameters)).abs() < 1e-4);
        for (index, (bound, free)) in bound.1.iter().zip(&free.1).enumerate() {
            let (found, expected) = (f64::from(bound - free), slope(cost, &parameters, index));
            assert!(
                (found - expected).abs() < 1e-3 * (1.0 + expected.abs()),
                "parameter {index}: {found} for {expected}"
            );
        }
    }
}
