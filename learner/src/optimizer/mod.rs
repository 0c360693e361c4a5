//! The rules that turn a gradient into a step, one pass over parameters, state and gradient.

mod adagrad;
mod adam;
mod momentum;
mod pass;
mod rmsprop;
mod sgd;
mod source;
mod step;

use pulp::Arch;
use troop_common::experiment::{Optimizer, OptimizerSettings};

use self::adagrad::Adagrad;
use self::adam::Adam;
use self::momentum::Momentum;
use self::pass::{Kernel, Pass};
use self::rmsprop::Rmsprop;
use self::sgd::Sgd;
use self::source::{Compensated, Plain};
pub use self::step::{Compensation, Step};

/// A rule with its constants; the state that it needs stands beside the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `θ ← θ − ηΔ`
    Sgd,
    /// SGD with momentum μ.
    Momentum {
        /// μ
        momentum: f64,
    },
    /// Shared, non-centred RMSProp.
    Rmsprop {
        /// α
        decay: f64,
        /// ε, inside the root
        epsilon: f64,
    },
    /// AdaGrad.
    Adagrad {
        /// ε, outside of the root
        epsilon: f64,
    },
    /// Adam.
    Adam {
        /// β₁
        beta1: f64,
        /// β₂
        beta2: f64,
        /// ε, outside of the root
        epsilon: f64,
    },
}

impl Rule {
    /// The rule that `settings` name.
    pub fn new(settings: &OptimizerSettings) -> Self {
        let epsilon = settings.epsilon;
        match settings.name {
            Optimizer::Sgd => Self::Sgd,
            Optimizer::Momentum => Self::Momentum {
                momentum: settings.momentum,
            },
            Optimizer::Rmsprop => Self::Rmsprop {
                decay: settings.decay,
                epsilon,
            },
            Optimizer::Adagrad => Self::Adagrad { epsilon },
            Optimizer::Adam => Self::Adam {
                beta1: settings.beta1,
                beta2: settings.beta2,
                epsilon,
            },
        }
    }

    /// Names of the per-parameter vectors that the rule keeps, as checkpoints write them.
    pub fn state_names(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &[],
            Self::Momentum { .. } => &["velocity"],
            Self::Rmsprop { .. } => &["square_average"],
            Self::Adagrad { .. } => &["square_sum"],
            Self::Adam { .. } => &["first_moment", "second_moment"],
        }
    }

    /// Takes one step on `parameters` and their `state`, one vector for each of the rule's names.
    /// All vectors have the parameters' length.
    pub(crate) fn step(self, parameters: &mut [f32], state: &mut [Vec<f32>], step: &Step<'_>) {
        self.step_on(Arch::new(), parameters, state, step);
    }

    /// [`Self::step`] with the instructions of `arch`; the result is the same bit for bit.
    fn step_on(self, arch: Arch, parameters: &mut [f32], state: &mut [Vec<f32>], step: &Step<'_>) {
        let rate = step.rate;
        match (self, state) {
            (Self::Sgd, []) => run(arch, Sgd::new(rate), parameters, [], step),
            (Self::Momentum { momentum }, [v]) => {
                run(arch, Momentum::new(rate, momentum), parameters, [v], step);
            }
            (Self::Rmsprop { decay, epsilon }, [g]) => {
                run(
                    arch,
                    Rmsprop::new(rate, decay, epsilon),
                    parameters,
                    [g],
                    step,
                );
            }
            (Self::Adagrad { epsilon }, [g]) => {
                run(arch, Adagrad::new(rate, epsilon), parameters, [g], step);
            }
            (
                Self::Adam {
                    beta1,
                    beta2,
                    epsilon,
                },
                [m, v],
            ) => {
                let kernel = Adam::new(rate, step.number, beta1, beta2, epsilon);
                run(arch, kernel, parameters, [m, v], step);
            }
            (rule, state) => {
                panic!(
                    "{rule:?} keeps {:?}, found {} vectors",
                    rule.state_names(),
                    state.len()
                )
            }
        }
    }
}

/// Runs `kernel` over everything, with the source of gradients that `step` asks for.
fn run<K: Kernel<N>, const N: usize>(
    arch: Arch,
    kernel: K,
    parameters: &mut [f32],
    state: [&mut Vec<f32>; N],
    step: &Step<'_>,
) {
    let state = state.map(Vec::as_mut_slice);
    match step.compensation {
        None => arch.dispatch(Pass {
            kernel,
            parameters,
            state,
            source: Plain::new(step),
        }),
        Some(compensation) => arch.dispatch(Pass {
            kernel,
            parameters,
            state,
            source: Compensated::new(step, compensation),
        }),
    }
}

#[cfg(test)]
mod tests;
