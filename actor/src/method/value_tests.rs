//! What holds for every method of action values: finite differences, ends inside a segment, masks.

use std::sync::Arc;

use troop_common::experiment::{Experiment, MethodSettings, Reduction, View};

use super::testing::{
    Given, Learner, assert_ends_separate, drawn_model, fresh_loss, loss_and_gradient, segment_with,
    setting, spaces,
};
use super::*;
use crate::nn::testing::assert_output_gradient;
use crate::nn::{Input, Model, Outputs};

const METHODS: [&str; 3] = ["n_step_q", "one_step_q", "one_step_sarsa"];

/// The named method with a small net, its losses summed.
fn method(name: &str, change: impl FnOnce(&mut Experiment)) -> Learner {
    let mut experiment = testing::always_random();
    experiment.method = MethodSettings::default_of(name).unwrap();
    experiment.model.hidden = vec![5];
    match &mut experiment.method {
        MethodSettings::NStepQ(settings) => settings.reduction = Reduction::Sum,
        MethodSettings::OneStepQ(settings) | MethodSettings::OneStepSarsa(settings) => {
            settings.reduction = Reduction::Sum;
        }
        other => panic!("{other:?} learns no action values"),
    }
    change(&mut experiment);
    Learner::new(&experiment, &spaces::discrete(3))
}

type Change = fn(&mut Experiment);

fn networks() -> [(&'static str, Change); 4] {
    [
        ("plain", |_| {}),
        ("duelling", |experiment| experiment.model.dueling = true),
        ("recurrent", |experiment| experiment.model.lstm = Some(3)),
        ("both", |experiment| {
            experiment.model.dueling = true;
            experiment.model.lstm = Some(3);
        }),
    ]
}

fn both(learner: &Learner) -> (Box<dyn Model>, Box<dyn Model>) {
    (learner.drawn_model(3), learner.drawn_model(9))
}

#[test]
fn every_full_loss_passes_finite_differences() {
    for name in METHODS {
        for (network, change) in networks() {
            for masked in [false, true] {
                println!("{name}, {network}, masked: {masked}");
                let mut method = method(name, change);
                let state_len = method.network().state_len();
                let segment = segment_with(&spaces::discrete(3), state_len, masked, 7);
                let (mut online, mut target) = both(&method);
                let segment = method.complete(&mut *online, &segment);
                let objective = &mut *method.parts.objective;
                let loss = fresh_loss(objective, &mut *online, &mut *target, &segment);
                let heads = online.outputs().heads.clone();
                let mut given = Given {
                    outputs: online.outputs().clone(),
                    model: online,
                    judgements: Vec::new(),
                };
                assert_output_gradient(&heads, &loss.gradients.heads, 0.125, |heads| {
                    given.outputs.heads = heads.to_vec();
                    fresh_loss(objective, &mut given, &mut *target, &segment).total
                });
            }
        }
    }
}

#[test]
fn ends_inside_a_segment_are_the_same_as_separate_episodes() {
    for name in ["n_step_q", "one_step_q"] {
        for (_, change) in networks() {
            assert_ends_separate(&mut method(name, change), &spaces::discrete(3));
        }
    }
}

#[test]
fn the_backward_view_has_the_forward_views_gradient() {
    for (_, change) in networks() {
        let mut gradients = [View::Forward, View::Backward].map(|view| {
            let mut method = method("n_step_q", |experiment| {
                change(experiment);
                if let MethodSettings::NStepQ(settings) = &mut experiment.method {
                    settings.view = view;
                }
            });
            let state_len = method.network().state_len();
            let segment = segment_with(&spaces::discrete(3), state_len, false, 7);
            let (mut online, mut target) = both(&method);
            let objective = &mut *method.parts.objective;
            loss_and_gradient(objective, &mut *online, &mut *target, &segment).1
        });
        testing::assert_close(&gradients[1], &gradients[0], 1e-5);
        gradients[0].retain(|gradient| gradient.abs() > 1e-3);
        assert!(
            gradients[0].len() > 10,
            "a gradient of zeros proves nothing"
        );
    }
}

/// The mean of what duelling adds to the value is 0.
#[test]
fn duelling_values_average_to_the_state_value() {
    let mut experiment = Experiment::default();
    experiment.model.dueling = true;
    let spaces = spaces::discrete(3);
    let values =
        ActionValues::new(&setting(&experiment, &spaces, &mut testing::seeded(1))).unwrap();
    let mut model = drawn_model(values.network(), 1);
    let segment = testing::random_segment(&spaces, 1);
    let outputs = model.evaluate(&Input::segment(&segment));
    let q = values.of(outputs);
    let rows = q.chunks_exact(3).zip(outputs.heads[0].chunks_exact(3));
    for ((q, advantages), v) in rows.zip(&outputs.heads[1]) {
        assert!((q.iter().sum::<f32>() / 3.0 - v).abs() < 1e-6);
        let apart = advantages[0] - advantages[1];
        assert!((q[0] - q[1] - apart).abs() < 1e-6);
    }
}

#[test]
fn closed_actions_are_neither_taken_nor_counted() {
    let outputs = Outputs {
        heads: vec![vec![5.0, -3.0, -4.0, 1.0, 9.0, 2.0]],
        ..Outputs::default()
    };
    let masks = [false, true, true, true, false, false];
    let experiment = testing::with_epsilon(0.5);
    let spaces = spaces::discrete(3);
    let mut rng = testing::seeded(1);
    let mut setting = setting(&experiment, &spaces, &mut rng);
    let values = Arc::new(ActionValues::new(&setting).unwrap());
    assert_eq!(values.largest(&outputs, &masks), [-3.0, 1.0]);
    let behaviour = EpsilonGreedyBehaviour::new(values, &mut setting);
    let mut counts = [[0; 3]; 2];
    for _ in 0..2000 {
        let purpose = Purpose::Explore { frames: 9 };
        for (row, action) in behaviour
            .choose(&outputs, &masks, purpose, &mut rng)
            .iter()
            .enumerate()
        {
            counts[row][*action as usize] += 1;
        }
    }
    assert_eq!(counts[0][0], 0);
    assert_eq!(counts[1], [2000, 0, 0]);
    // Half greedy, the other half over both open actions.
    assert!(
        (f64::from(counts[0][1]) / 2000.0 - 0.75).abs() < 0.05,
        "{counts:?}"
    );
}

/// The settings say whether there is a target; without one nothing else takes its place.
#[test]
fn a_missing_target_is_an_error() {
    for name in METHODS {
        let mut method = method(name, |_| {});
        let segment = segment_with(&spaces::discrete(3), 0, false, 7);
        let (mut online, _) = both(&method);
        let segment = method.complete(&mut *online, &segment);
        let networks = Networks {
            online: &mut *online,
            target: None,
        };
        let objective = &mut method.parts.objective;
        let loss = objective.loss(networks, Batch::Fresh(&segment), &mut method.rng);
        assert_eq!(loss.unwrap_err(), ObjectiveError::NoTarget);
    }
}
