//! The rules that turn a gradient into a step, one pass over parameters, state and gradient.

mod adagrad;
mod adam;
#[cfg(test)]
pub(crate) mod architectures;
mod momentum;
mod pass;
mod rmsprop;
mod sgd;
mod source;
mod step;

use std::ops::Range;

use pulp::Arch;
use troop_common::experiment::{Optimizer, OptimizerSettings};
use troop_common::wire::{Element, Run};

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

    /// Takes one step on the `vectors`' elements in `at`, which `gradient` covers.
    pub(crate) fn step(
        self,
        vectors: &mut Vectors,
        at: Range<usize>,
        gradient: Run<'_>,
        step: &Step<'_>,
    ) {
        self.step_on(Arch::new(), vectors, at, gradient, step);
    }

    /// [`Self::step`] with the instructions of `arch`; the result is the same bit for bit.
    fn step_on(
        self,
        arch: Arch,
        vectors: &mut Vectors,
        at: Range<usize>,
        gradient: Run<'_>,
        step: &Step<'_>,
    ) {
        let rate = step.rate;
        let stretch = Stretch {
            arch,
            parameters: &mut vectors.parameters[at.clone()],
            gradient,
            step,
        };
        let part = |vector| &mut Vec::as_mut_slice(vector)[at.clone()];
        match (self, vectors.state.as_mut_slice()) {
            (Self::Sgd, []) => stretch.run(Sgd::new(rate), []),
            (Self::Momentum { momentum }, [v]) => {
                stretch.run(Momentum::new(rate, momentum), [part(v)]);
            }
            (Self::Rmsprop { decay, epsilon }, [g]) => {
                stretch.run(Rmsprop::new(rate, decay, epsilon), [part(g)]);
            }
            (Self::Adagrad { epsilon }, [g]) => {
                stretch.run(Adagrad::new(rate, epsilon), [part(g)]);
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
                stretch.run(kernel, [part(m), part(v)]);
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

/// Parameters and the state that a rule keeps beside them: one vector for each of its names, all
/// of one length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vectors {
    pub(crate) parameters: Vec<f32>,
    pub(crate) state: Vec<Vec<f32>>,
}

/// Some parameters, and the gradient for them.
struct Stretch<'a> {
    arch: Arch,
    parameters: &'a mut [f32],
    gradient: Run<'a>,
    step: &'a Step<'a>,
}

impl<'a> Stretch<'a> {
    /// Runs `kernel`, compiled for what the gradient's elements are.
    fn run<K: Kernel<N>, const N: usize>(self, kernel: K, state: [&'a mut [f32]; N]) {
        match self.gradient {
            Run::F32(elements) => self.run_over(elements, kernel, state),
            Run::Bf16(elements) => self.run_over(elements, kernel, state),
        }
    }

    fn run_over<E: Element, K: Kernel<N>, const N: usize>(
        self,
        gradient: &'a [E],
        kernel: K,
        state: [&'a mut [f32]; N],
    ) {
        let Self {
            arch,
            parameters,
            step,
            ..
        } = self;
        let plain = Plain::new(gradient, step);
        match step.compensation {
            None => arch.dispatch(Pass {
                kernel,
                parameters,
                state,
                source: plain,
            }),
            Some(compensation) => arch.dispatch(Pass {
                kernel,
                parameters,
                state,
                source: Compensated::new(plain, compensation),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
