//! Optimiser's statistics of a worker's own gradients (Mnih et al. 2016, §4.2).

use troop_common::experiment::{MomentumForm, Optimizer, OptimizerSettings, Statistics};

use super::clipping::{clip_to_norm, norm};

/// What a gradient becomes.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// `v ← μv + κΔ`, and v is the step.
    Momentum { momentum: f32, gain: f32 },
    /// `g ← αg + (1−α)Δ²`, and `Δ/√(g+ε)` is the step.
    Rmsprop { decay: f32, epsilon: f32 },
}

/// Makes steps of a worker's gradients, which the learner takes at its learning rate.
#[derive(Debug)]
pub(super) struct OwnStatistics {
    rule: Rule,
    max_gradient_norm: Option<f64>,
    /// Of each parameter.
    running: Vec<f32>,
}

impl OwnStatistics {
    /// For so many parameters; none if the learner has them.
    pub(super) fn of(settings: &OptimizerSettings, parameters: usize) -> Option<Self> {
        let rule = match (settings.statistics, settings.name) {
            (Statistics::Worker, Optimizer::Momentum) => Rule::Momentum {
                momentum: settings.momentum as f32,
                gain: match settings.momentum_form {
                    MomentumForm::Sum => 1.0,
                    MomentumForm::Average => (1.0 - settings.momentum) as f32,
                },
            },
            (Statistics::Worker, Optimizer::Rmsprop) => Rule::Rmsprop {
                decay: settings.decay as f32,
                epsilon: settings.epsilon as f32,
            },
            _ => return None,
        };
        Some(Self {
            rule,
            max_gradient_norm: settings.max_gradient_norm,
            running: vec![0.0; parameters],
        })
    }

    /// Turns a gradient into a step. One that is not finite stays as it is, and out of the statistics: the learner
    /// refuses it.
    pub(super) fn make_step(&mut self, gradient: &mut [f32]) {
        if !norm(gradient).is_finite() {
            return;
        }
        if let Some(limit) = self.max_gradient_norm {
            clip_to_norm(gradient, limit);
        }
        let pairs = self.running.iter_mut().zip(gradient);
        match self.rule {
            Rule::Momentum { momentum, gain } => pairs.for_each(|(v, d)| {
                *v = momentum * *v + gain * *d;
                *d = *v;
            }),
            Rule::Rmsprop { decay, epsilon } => pairs.for_each(|(g, d)| {
                *g = decay * *g + (1.0 - decay) * *d * *d;
                *d /= (*g + epsilon).sqrt();
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: Optimizer, change: impl FnOnce(&mut OptimizerSettings)) -> OwnStatistics {
        let mut settings = OptimizerSettings {
            name,
            statistics: Statistics::Worker,
            ..OptimizerSettings::default()
        };
        change(&mut settings);
        OwnStatistics::of(&settings, 2).unwrap()
    }

    fn steps(statistics: &mut OwnStatistics, gradients: [[f32; 2]; 2]) -> [[f32; 2]; 2] {
        gradients.map(|mut gradient| {
            statistics.make_step(&mut gradient);
            gradient
        })
    }

    fn are_near(found: [[f32; 2]; 2], expected: [[f32; 2]; 2]) {
        let (found, expected) = (found.as_flattened(), expected.as_flattened());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn steps_are_those_of_the_rules() {
        let mut rmsprop = worker(Optimizer::Rmsprop, |it| (it.decay, it.epsilon) = (0.5, 1.0));
        // g: 2 and 0.5; then 9 and 0.25.
        let found = steps(&mut rmsprop, [[2.0, -1.0], [4.0, 0.0]]);
        are_near(found, [[1.154_700_5, -0.816_496_6], [1.264_911, 0.0]]);
        for (form, expected) in [
            (MomentumForm::Sum, [[2.0, -1.0], [5.0, -0.5]]),
            (MomentumForm::Average, [[1.0, -0.5], [2.5, -0.25]]),
        ] {
            let mut momentum = worker(Optimizer::Momentum, |it| {
                (it.momentum, it.momentum_form) = (0.5, form);
            });
            are_near(steps(&mut momentum, [[2.0, -1.0], [4.0, 0.0]]), expected);
        }
    }

    #[test]
    fn a_gradient_is_clipped_before_it_becomes_a_step() {
        let mut momentum = worker(Optimizer::Momentum, |it| it.max_gradient_norm = Some(1.0));
        let found = steps(&mut momentum, [[3.0, 4.0], [0.0, 0.0]]);
        are_near(found, [[0.6, 0.8], [0.54, 0.72]]);
    }

    #[test]
    fn what_is_not_finite_enters_no_statistics() {
        let mut rmsprop = worker(Optimizer::Rmsprop, |_| ());
        let [bad, good] = steps(&mut rmsprop, [[f32::NAN, 1.0], [1.0, 1.0]]);
        assert!(bad[0].is_nan() && bad[1] == 1.0);
        assert!(good.iter().all(|step| step.is_finite()));
    }

    #[test]
    fn the_learner_has_them_unless_the_worker_is_asked_to() {
        assert!(OwnStatistics::of(&OptimizerSettings::default(), 2).is_none());
        let left = OptimizerSettings {
            statistics: Statistics::Worker,
            ..OptimizerSettings::default()
        }
        .of_learner();
        assert_eq!((left.name, left.max_gradient_norm), (Optimizer::Sgd, None));
    }
}
