use serde::{Deserialize, Serialize};

use super::method::{Learns, MethodRules, check_segment, check_target_sync};
use super::validate::is_positive;
use super::violation::Violations;
use super::{Experiment, TargetSync};

/// Deep Q-learning from replay, gradients going to a parameter server: Gorila (Nair et al. 2015) in its bundled
/// mode, where each worker acts, remembers and learns. With what came after it as options: double Q (van Hasselt et al. 2016),
/// prioritised replay (Schaul et al. 2016), multi-step targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DqnSettings {
    /// Steps of each environment between two looks at the learner's weights.
    pub t_max: usize,
    /// Discount γ of a step.
    pub discount: f32,
    /// When the target network is refreshed.
    pub target_sync: TargetSync,
    /// Whether the online network chooses the action whose value the target network gives
    /// (van Hasselt et al. 2016, eq. 4).
    pub double_q: bool,
    /// Steps of a return, `n`, before the value behind them.
    pub n_step: usize,
    /// Transitions of a gradient.
    pub batch_size: usize,
    /// Transitions replayed for each env step that the worker takes.
    pub replay_ratio: f64,
    /// Env steps whose observations a worker remembers, its environments together.
    pub replay_capacity_env_steps: usize,
    /// A worker computes its first gradient after this many env steps of its own.
    pub replay_start_env_steps: u64,
    /// ω: transitions are drawn in proportion to `(|δ| + ε)^ω`; 0 draws uniformly.
    pub priority_exponent: f64,
    /// ε of the priorities.
    pub priority_epsilon: f64,
    /// β at the start: gradients are weighted by `(N·P)^−β` where transitions have priorities.
    pub importance_exponent_initial: f64,
    /// β once annealed.
    pub importance_exponent_final: f64,
    /// β is annealed linearly over the first this many frames of the run.
    pub importance_anneal_frames: u64,
    /// TD errors beyond ± this have a linear loss; absent: all have a squared one.
    #[serde(with = "super::optional")]
    pub td_error_clip: Option<f64>,
    /// A gradient is discarded where its loss exceeds the running mean by more than this many
    /// running standard deviations; absent: none is.
    #[serde(with = "super::optional")]
    pub outlier_deviations: Option<f64>,
    /// Weight of the past in the running mean and deviation.
    pub outlier_decay: f64,
    /// None is discarded before so many were seen.
    pub outlier_min_gradients: u64,
}

impl Default for DqnSettings {
    fn default() -> Self {
        Self {
            t_max: 4,                                 // Mnih et al. 2015, table 1: update frequency
            discount: 0.99,                           // Mnih et al. 2015, table 1
            target_sync: TargetSync::Updates(60_000), // Nair et al. 2015, §4
            double_q: false,                          // as in Nair et al. 2015
            n_step: 1,                                // as in Nair et al. 2015
            batch_size: 32,                           // Mnih et al. 2015, table 1
            replay_ratio: 8.0, // Mnih et al. 2015, table 1: 32 every 4 env steps
            replay_capacity_env_steps: 1_000_000, // Nair et al. 2015, §4
            replay_start_env_steps: 50_000, // Mnih et al. 2015, table 1
            priority_exponent: 0.0, // uniform, as in Nair et al. 2015
            priority_epsilon: 1e-6, // small, Schaul et al. 2016, §3.3
            importance_exponent_initial: 0.4, // Schaul et al. 2016, §4
            importance_exponent_final: 1.0, // Schaul et al. 2016, §4
            importance_anneal_frames: 200_000_000, // the whole of a run on Atari, Schaul et al. 2016, §4
            td_error_clip: Some(1.0),              // Mnih et al. 2015, methods
            outlier_deviations: Some(5.0),         // "several", Nair et al. 2015, §3: not published
            outlier_decay: 0.999,                  // not published
            outlier_min_gradients: 1_000,          // not published
        }
    }
}

impl MethodRules for DqnSettings {
    fn learns(&self) -> Learns {
        Learns::ActionValues
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    /// Until it replays, until there is a first transition, and until a batch is earned.
    fn env_steps_before_gradient(&self, environments: u64) -> u64 {
        let first_transition = environments.saturating_mul(self.n_step as u64);
        let batch = (self.batch_size as f64 / self.replay_ratio).ceil() as u64;
        self.replay_start_env_steps
            .saturating_add(first_transition)
            .saturating_add(batch)
    }

    fn target_sync(&self) -> Option<TargetSync> {
        Some(self.target_sync)
    }

    fn check(&self, experiment: &Experiment, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        check_target_sync(self.target_sync, violations);
        violations.expect(
            self.n_step >= 1,
            "method.n_step",
            "must be at least 1: a return has at least one reward",
        );
        violations.expect(
            self.td_error_clip.is_none_or(is_positive),
            "method.td_error_clip",
            "must be finite and above 0: at 0 nothing is learnt; \"none\" switches it off",
        );
        self.check_replay(experiment, violations);
        self.check_priorities(violations);
        self.check_outliers(violations);
    }
}

impl DqnSettings {
    fn check_replay(&self, experiment: &Experiment, violations: &mut Violations) {
        let envs_per_worker = experiment.environment.envs_per_worker;
        violations.expect(
            self.batch_size >= 1,
            "method.batch_size",
            "must be at least 1: a gradient without transitions is none",
        );
        violations.expect(
            is_positive(self.replay_ratio),
            "method.replay_ratio",
            "must be finite and above 0: at 0 nothing is ever replayed",
        );
        // The steps in the making, twice: each may bring a final observation with it.
        let least = 2 * envs_per_worker.saturating_mul(self.n_step + 1) + self.batch_size;
        violations.expect(
            self.replay_capacity_env_steps >= least,
            "method.replay_capacity_env_steps",
            format!(
                "must be at least {least} here: 2 · `environment.envs_per_worker` · (`method.n_step` + 1) + \
                 `method.batch_size`"
            ),
        );
        violations.expect(
            u32::try_from(self.replay_capacity_env_steps).is_ok(),
            "method.replay_capacity_env_steps",
            "must be below 2³²",
        );
        violations.expect(
            self.replay_start_env_steps <= experiment.experiment.total_env_steps,
            "method.replay_start_env_steps",
            "must not exceed `experiment.total_env_steps`: the run would end before it learns",
        );
    }

    fn check_priorities(&self, violations: &mut Violations) {
        for (value, key) in [
            (self.priority_exponent, "method.priority_exponent"),
            (
                self.importance_exponent_initial,
                "method.importance_exponent_initial",
            ),
            (
                self.importance_exponent_final,
                "method.importance_exponent_final",
            ),
        ] {
            violations.expect(
                (0.0..=1.0).contains(&value),
                key,
                "must be from 0 (none) to 1 (full)",
            );
        }
        violations.expect(
            is_positive(self.priority_epsilon),
            "method.priority_epsilon",
            "must be finite and above 0: a transition without error would never be drawn again",
        );
    }

    fn check_outliers(&self, violations: &mut Violations) {
        violations.expect(
            self.outlier_deviations
                .is_none_or(|k| k > 1.0 && k.is_finite()),
            "method.outlier_deviations",
            "must be finite and above 1: else the statistics cannot follow errors that grow; \"none\" switches it off",
        );
        violations.expect(
            (0.0..1.0).contains(&self.outlier_decay),
            "method.outlier_decay",
            "must be at least 0 and below 1: at 1 nothing new would enter",
        );
        violations.expect(
            self.outlier_min_gradients >= 2,
            "method.outlier_min_gradients",
            "must be at least 2: one value has no deviation",
        );
    }
}
