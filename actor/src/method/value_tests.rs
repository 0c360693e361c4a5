//! What holds for every method of action values: finite differences, ends inside a segment, masks.

use troop_common::experiment::View;

use super::testing::{
    assert_ends_separate, assert_gradient, doubles, loss_and_gradient, segment_with, setting,
    spaces,
};
use super::*;
use crate::model::Parameters;
use crate::segment::to_vec;

const METHODS: [&str; 3] = ["n_step_q", "one_step_q", "one_step_sarsa"];

/// The named method with a small net, its losses summed.
fn method(name: &str, change: impl FnOnce(&mut Experiment)) -> Box<dyn Method> {
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
    make(setting(&experiment, &spaces::discrete(3))).unwrap()
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

fn both(method: &dyn Method) -> (Parameters, Parameters) {
    let network = method.network();
    (doubles(network, 3), doubles(network, 9))
}

#[test]
fn every_full_loss_passes_finite_differences() {
    for name in METHODS {
        for (network, change) in networks() {
            for masked in [false, true] {
                println!("{name}, {network}, masked: {masked}");
                let mut method = method(name, change);
                let memory_len = method.network().memory_len();
                let segment = segment_with(&spaces::discrete(3), memory_len, masked, 7);
                let (online, target) = both(&*method);
                method.receive(&online, &segment);
                assert_gradient(&online, |online| {
                    method
                        .loss(online, Some(&target), &segment, 0)
                        .unwrap()
                        .total
                });
            }
        }
    }
}

#[test]
fn ends_inside_a_segment_are_the_same_as_separate_episodes() {
    for name in ["n_step_q", "one_step_q"] {
        for (_, change) in networks() {
            assert_ends_separate(&mut *method(name, change), &spaces::discrete(3));
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
            let memory_len = method.network().memory_len();
            let segment = segment_with(&spaces::discrete(3), memory_len, false, 7);
            let (online, target) = both(&*method);
            loss_and_gradient(&mut *method, &online, &target, &segment).1
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
    let values = ActionValues::new(&setting(&experiment, &spaces)).unwrap();
    let parameters = doubles(values.network(), 1);
    let segment = testing::random_segment(&spaces, 1);
    let outputs = values.network().segment(&parameters, &segment);
    let q = values.segment(&parameters, &segment).q_t;
    let mean = q.mean_dim([-1_i64].as_slice(), true, None::<Kind>);
    assert!(mean.allclose(&outputs.heads[1], 1e-9, 1e-9, false));
    let apart = q.select(-1, 0) - q.select(-1, 1);
    let advantages = &outputs.heads[0];
    let expected = advantages.select(-1, 0) - advantages.select(-1, 1);
    assert!(apart.allclose(&expected, 1e-9, 1e-9, false));
}

#[test]
fn closed_actions_are_neither_taken_nor_counted() {
    let q = Tensor::from_slice(&[5.0_f32, -3.0, -4.0, 1.0, 9.0, 2.0]).view([2, 3]);
    let masks = Tensor::from_slice(&[false, true, true, true, false, false]).view([2, 3]);
    assert_eq!(
        to_vec(&action_values::largest(&q, Some(&masks))),
        [-3.0, 1.0]
    );
    let experiment = testing::with_epsilon(0.5);
    let spaces = spaces::discrete(3);
    let mut actor = EpsilonGreedyActor::new(setting(&experiment, &spaces)).unwrap();
    let observed = Observed {
        observations: Tensor::zeros([2, 4], (Kind::Float, tch::Device::Cpu)),
        masks: Some(masks),
    };
    let mut counts = [[0; 3]; 2];
    for _ in 0..2000 {
        let behaviour = Behaviour::Explore { frames: 9 };
        for (row, action) in actor.choose(&q, &observed, behaviour).iter().enumerate() {
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
