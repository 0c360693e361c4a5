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
mod vanishing;

use std::ops::Range;

use pulp::Arch;
use troop_common::experiment::{Experiment, MomentumForm, Optimizer, OptimizerSettings};
use troop_common::wire::{Element, Run};

use self::adagrad::Adagrad;
use self::adam::Adam;
use self::momentum::Momentum;
use self::pass::{Kernel, Pass};
use self::rmsprop::Rmsprop;
use self::sgd::Sgd;
use self::source::{Adaptive, Compensated, Plain, Source};
pub(crate) use self::step::SQUARES;
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
        /// What a gradient counts in the velocity: 1, or 1 − μ.
        gain: f64,
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
                gain: match settings.momentum_form {
                    MomentumForm::Sum => 1.0,
                    MomentumForm::Average => 1.0 - settings.momentum,
                },
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

    /// Names of the per-parameter vectors that the rule keeps, as checkpoints write them. Compensation's
    /// own stands behind them.
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
        let part = |vector| &mut Vec::as_mut_slice(vector)[at.clone()];
        let (own, squares) = vectors.state.split_at_mut(self.state_names().len());
        let stretch = Stretch {
            arch,
            parameters: &mut vectors.parameters[at.clone()],
            squares: squares.first_mut().map(part),
            gradient,
            step,
        };
        match (self, own) {
            (Self::Sgd, []) => stretch.run(Sgd::new(rate), []),
            (Self::Momentum { momentum, gain }, [v]) => {
                stretch.run(Momentum::new(rate, momentum, gain), [part(v)]);
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

/// Names of the per-parameter vectors that an experiment's steps need, as checkpoints write them: those
/// of its rule, then that of compensation.
pub(crate) fn kept_names(experiment: &Experiment) -> Vec<&'static str> {
    let rule = Rule::new(&experiment.optimizer.of_learner()).state_names();
    let squares = experiment.learner.adaptive_decay().map(|_| SQUARES);
    rule.iter().copied().chain(squares).collect()
}

/// Parameters and the state that is kept beside them, all of one length: one vector for each of the
/// rule's names, and [`SQUARES`] if compensation needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vectors {
    pub(crate) parameters: Vec<f32>,
    pub(crate) state: Vec<Vec<f32>>,
}

/// Some parameters, and the gradient for them.
struct Stretch<'a> {
    arch: Arch,
    parameters: &'a mut [f32],
    /// For compensation's adaptive form.
    squares: Option<&'a mut [f32]>,
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
        mut self,
        gradient: &'a [E],
        kernel: K,
        state: [&'a mut [f32]; N],
    ) {
        let plain = Plain::new(gradient, self.step);
        let Some(compensation) = self.step.compensation else {
            return self.pass(kernel, state, plain);
        };
        let compensated = Compensated::new(plain, compensation);
        match (compensation.decay, self.squares.take()) {
            (None, _) => self.pass(kernel, state, compensated),
            (Some(decay), Some(squares)) => {
                self.pass(kernel, state, Adaptive::new(compensated, squares, decay));
            }
            (Some(_), None) => panic!("compensation needs {SQUARES}, and there is none"),
        }
    }

    fn pass<S: Source, K: Kernel<N>, const N: usize>(
        self,
        kernel: K,
        state: [&'a mut [f32]; N],
        source: S,
    ) {
        self.arch.dispatch(Pass {
            kernel,
            parameters: self.parameters,
            state,
            source,
        });
    }
}

#[cfg(test)]
mod tests;
