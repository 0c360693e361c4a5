//! The rules that turn a gradient into a step, one pass over parameters and state.

use troop_common::experiment::{Optimizer, OptimizerSettings};

/// A rule with its constants; the state it needs stands beside the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// `θ ← θ − ηΔ`
    Sgd,
    /// Mnih et al. 2016, eq. S2–S3: `g ← αg + (1−α)Δ²; θ ← θ − ηΔ/√(g+ε)`.
    Rmsprop { decay: f32, epsilon: f32 },
}

impl Rule {
    pub(crate) fn new(settings: &OptimizerSettings) -> Self {
        match settings.name {
            Optimizer::Sgd => Self::Sgd,
            Optimizer::Rmsprop => Self::Rmsprop {
                decay: settings.decay as f32,
                epsilon: settings.epsilon as f32,
            },
        }
    }

    /// Names of the per-parameter vectors that the rule keeps, as checkpoints write them.
    pub(crate) fn state_names(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &[],
            Self::Rmsprop { .. } => &["square_average"],
        }
    }

    /// Takes one step of `rate` along `scale` × `gradient`. All slices have the parameters' length.
    pub(crate) fn step(
        self,
        parameters: &mut [f32],
        state: &mut [Vec<f32>],
        gradient: &[f32],
        scale: f32,
        rate: f32,
    ) {
        match (self, state) {
            (Self::Rmsprop { decay, epsilon }, [squares]) => {
                for ((theta, g), d) in parameters.iter_mut().zip(squares).zip(gradient) {
                    let d = d * scale;
                    *g = decay * *g + (1.0 - decay) * d * d;
                    *theta -= rate * d / (*g + epsilon).sqrt();
                }
            }
            _ => {
                for (theta, d) in parameters.iter_mut().zip(gradient) {
                    *theta -= rate * scale * d;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rmsprop_has_epsilon_inside_the_root() {
        let rule = Rule::Rmsprop {
            decay: 0.99,
            epsilon: 0.1,
        };
        let (mut theta, mut state) = ([0.0_f32], [vec![0.0_f32]]);
        rule.step(&mut theta, &mut state, &[2.0], 1.0, 7e-4);
        assert!((theta[0] + 0.003_741_66).abs() < 1e-8, "{}", theta[0]);
        assert!((state[0][0] - 0.04).abs() < 1e-7);
    }

    #[test]
    fn sgd_steps_along_the_scaled_gradient() {
        let mut theta = [1.0_f32, 2.0];
        Rule::Sgd.step(&mut theta, &mut [], &[4.0, -2.0], 0.5, 0.1);
        assert_eq!(theta, [0.8, 2.1]);
    }
}
