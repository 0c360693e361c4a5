use serde::{Deserialize, Serialize};

use super::StalenessPolicy;
use super::checks::is_positive;
use super::settings::settings;
use super::violation::Violations;

/// The rule that turns a gradient into a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// `θ ← θ − ηΔ`
    Sgd,
    /// SGD with momentum: `v ← μv + Δ; θ ← θ − ηv`, or `v ← μv + (1−μ)Δ`.
    Momentum,
    /// Shared, non-centred RMSProp with ε inside the root:
    /// `g ← αg + (1−α)Δ²; θ ← θ − ηΔ/√(g+ε)` (Mnih et al. 2016, eq. S2–S3).
    #[default]
    Rmsprop,
    /// AdaGrad: `G ← G + Δ²; θ ← θ − ηΔ/(√G+ε)` (Duchi et al. 2011).
    Adagrad,
    /// Adam with bias correction, t being the run's updates:
    /// `m ← β₁m + (1−β₁)Δ; v ← β₂v + (1−β₂)Δ²; θ ← θ − ηm̂/(√v̂+ε)` (Kingma & Ba 2015).
    Adam,
}

impl Optimizer {
    /// Whether the rule divides by a statistic of the gradients, which ε keeps above 0.
    fn divides(self) -> bool {
        matches!(self, Self::Rmsprop | Self::Adagrad | Self::Adam)
    }
}

/// What the velocity of `momentum` is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentumForm {
    /// The sum of fading gradients, `v ← μv + Δ` (Polyak 1964; Sutskever et al. 2013).
    #[default]
    Sum,
    /// Their average, `v ← μv + (1−μ)Δ` (Mnih et al. 2016, §4.2): a step is as long as without momentum.
    Average,
}

/// Who has the running statistics of `momentum` and `rmsprop`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// The run: the learner keeps one of each parameter, of all workers' gradients.
    #[default]
    Shared,
    /// Each worker, of its own gradients: what it sends is a step without the learning rate.
    Worker,
}

/// How the learning rate moves from its first value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// It stays.
    Constant,
    /// Linearly to `optimizer.final_learning_rate` at `experiment.total_env_steps`.
    #[default]
    Linear,
}

settings! {
    /// `[optimizer]`: how the learner applies gradients.
    pub struct OptimizerSettings {
        /// The rule, see [below](#optimisers).
        pub name: Optimizer = Optimizer::Rmsprop,
        /// Who has the running statistics of `momentum` and `rmsprop`: the learner, one of all gradients, or each worker of
        /// its own, with which it makes steps of its gradients before it sends them (the forms that Mnih et al. 2016, §4.2,
        /// compare). A worker's are not in checkpoints, and begin anew with it.
        pub statistics: Statistics = Statistics::Shared,
        /// η at the start, or after the warm-up.
        pub learning_rate: f64 = 7e-4,
        /// How η moves: not at all, or linearly to `optimizer.final_learning_rate` at `experiment.total_env_steps`.
        pub anneal: Anneal = Anneal::Linear,
        /// η at the end of linear annealing.
        pub final_learning_rate: f64 = 0.0,
        /// η is multiplied by a factor that grows linearly to 1 over so many env steps; 0: no warm-up.
        #[unit = "env steps"]
        pub warmup_env_steps: u64 = 0,
        /// μ of `momentum`.
        pub momentum: f64 = 0.9,
        /// `momentum`: whether `v` is the sum of fading gradients, or their average, `v ← μv + (1−μ)Δ`, as in Mnih et al.
        /// 2016, whose learning rates are 1/(1−μ) times those of a sum.
        pub momentum_form: MomentumForm = MomentumForm::Sum,
        /// α of `rmsprop`.
        pub decay: f64 = 0.99,
        /// β₁ of `adam`, of the gradient's mean.
        pub beta1: f64 = 0.9,
        /// β₂ of `adam`, of the squared gradient's mean.
        pub beta2: f64 = 0.999,
        /// ε: inside the root for `rmsprop` (PyTorch's stands outside: its 1e-5 is 1e-10 here), added to the root for
        /// `adagrad` and `adam`, where 1e-8 is usual.
        pub epsilon: f64 = 0.1,
        /// A gradient with a larger global norm is scaled down to it, before it becomes a step.
        #[unit = "global norm"]
        #[serde(with = "super::optional")]
        pub max_gradient_norm: Option<f64> = Some(40.0),
    }
}

impl OptimizerSettings {
    /// What is left for the learner: where workers make steps of their gradients, it adds them up.
    #[must_use]
    pub fn of_learner(&self) -> Self {
        match self.statistics {
            Statistics::Shared => self.clone(),
            Statistics::Worker => Self {
                name: Optimizer::Sgd,
                max_gradient_norm: None,
                ..self.clone()
            },
        }
    }

    /// Notes every value that cannot work.
    pub(super) fn check(&self, staleness: StalenessPolicy, violations: &mut Violations) {
        let of_workers = self.statistics == Statistics::Worker;
        violations.expect(
            !of_workers || matches!(self.name, Optimizer::Momentum | Optimizer::Rmsprop),
            "optimizer.statistics",
            "must be \"shared\" unless `optimizer.name` is \"momentum\" or \"rmsprop\": the other rules have none for \
             each worker",
        );
        violations.expect(
            !of_workers || staleness != StalenessPolicy::Compensate,
            "optimizer.statistics",
            "must be \"shared\" with `learner.staleness` = \"compensate\": that corrects gradients, and steps come",
        );
        self.check_rate(violations);
        self.check_averages(violations);
        self.check_epsilon(violations);
        violations.expect(
            self.max_gradient_norm.is_none_or(is_positive),
            "optimizer.max_gradient_norm",
            "must be finite and above 0: at 0 every gradient would vanish; \"none\" switches it off",
        );
    }

    fn check_rate(&self, violations: &mut Violations) {
        violations.expect(
            is_positive(self.learning_rate),
            "optimizer.learning_rate",
            "must be finite and above 0: at 0 nothing is learnt",
        );
        violations.expect(
            self.final_learning_rate.is_finite() && self.final_learning_rate >= 0.0,
            "optimizer.final_learning_rate",
            "must be finite and at least 0: below 0 steps would go up the loss",
        );
    }

    fn check_averages(&self, violations: &mut Violations) {
        let weights = [
            (
                self.momentum,
                "optimizer.momentum",
                "the velocity would never fade",
            ),
            (
                self.decay,
                "optimizer.decay",
                "the squared gradients would never enter",
            ),
            (
                self.beta1,
                "optimizer.beta1",
                "the gradients would never enter",
            ),
            (
                self.beta2,
                "optimizer.beta2",
                "the squared gradients would never enter",
            ),
        ];
        for (value, key, consequence) in weights {
            violations.expect(
                (0.0..1.0).contains(&value),
                key,
                format!("must be at least 0 and below 1: at 1 {consequence}"),
            );
        }
    }

    fn check_epsilon(&self, violations: &mut Violations) {
        violations.expect(
            self.epsilon.is_finite() && self.epsilon >= 0.0,
            "optimizer.epsilon",
            "must be finite and at least 0: it keeps a divisor above 0",
        );
        violations.expect(
            !self.name.divides() || self.epsilon as f32 != 0.0,
            "optimizer.epsilon",
            "must be above 0 for `rmsprop`, `adagrad` and `adam`: a parameter without gradient \
             would be divided by 0",
        );
    }
}
