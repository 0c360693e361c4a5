use super::TargetSync;
use super::checks::is_positive;
use super::method_rules::{Learns, MethodRules, Surroundings, check_segment, check_target_sync};
use super::settings::settings;
use super::violation::Violations;

settings! {
    /// Deep Q-learning from replay, gradients going to a parameter server: Gorila (Nair et al. 2015) in its bundled
    /// mode, where each worker acts, remembers and learns. With what came after it as options: double Q (van Hasselt et al. 2016),
    /// prioritised replay (Schaul et al. 2016), multi-step targets.
    pub struct DqnSettings {
        /// Steps of each environment between two looks at the learner's weights.
        #[unit = "env steps"]
        pub t_max: usize = 4, // Mnih et al. 2015, table 1: update frequency
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99, // Mnih et al. 2015, table 1
        /// The target network is refreshed each time the run's count crosses a multiple of this; `updates_per_worker`
        /// is multiplied by the number of workers, as the age of gradients is. It should be above 3.
        #[unit = "frames or updates"]
        pub target_sync: TargetSync = TargetSync::Updates(60_000), // Nair et al. 2015, §4
        /// Whether the online network chooses the action whose value the target network gives (van Hasselt et al.
        /// 2016).
        pub double_q: bool = false, // as in Nair et al. 2015
        /// Rewards of a return before the value behind them; fewer at the end of an episode.
        #[unit = "env steps"]
        pub n_step: usize = 1, // as in Nair et al. 2015
        /// Transitions of a gradient.
        #[unit = "transitions"]
        pub batch_size: usize = 32, // Mnih et al. 2015, table 1
        /// Transitions replayed for each env step that a worker takes: 8 is a batch of 32 every 4 steps.
        #[unit = "transitions an env step"]
        pub replay_ratio: f64 = 8.0, // Mnih et al. 2015, table 1: 32 every 4 env steps
        /// Env steps whose observations a worker remembers, its environments together. Single frames are stored, not
        /// stacks: 7.1 GB for a million of Atari's.
        #[unit = "env steps"]
        pub replay_capacity_env_steps: usize = 1_000_000, // Nair et al. 2015, §4
        /// Env steps of a worker's own, before its first gradient.
        #[unit = "env steps"]
        pub replay_start_env_steps: u64 = 50_000, // Mnih et al. 2015, table 1
        /// ω: transitions are drawn in proportion to `(abs(δ) + ε)^ω` (Schaul et al. 2016); 0 draws uniformly.
        pub priority_exponent: f64 = 0.0, // uniform, as in Nair et al. 2015
        /// ε of the priorities.
        pub priority_epsilon: f64 = 1e-6, // small, Schaul et al. 2016, §3.3
        /// β at the start: with priorities, gradients are weighted by `(N·P)^−β` over the largest weight of the
        /// batch.
        pub importance_exponent_initial: f64 = 0.4, // Schaul et al. 2016, §4
        /// β once annealed.
        pub importance_exponent_final: f64 = 1.0, // Schaul et al. 2016, §4
        /// β is annealed linearly over the first this many frames of the run.
        #[unit = "frames"]
        pub importance_anneal_frames: u64 = 200_000_000, // the whole of a run on Atari, Schaul et al. 2016, §4
        /// TD errors beyond ± this have a linear loss in place of a squared one.
        #[serde(with = "super::optional")]
        pub td_error_clip: Option<f64> = Some(1.0), // Mnih et al. 2015, methods
        /// A gradient whose loss exceeds the worker's running mean by more running standard deviations is not sent.
        #[unit = "deviations"]
        #[serde(with = "super::optional")]
        pub outlier_deviations: Option<f64> = Some(5.0), // "several", Nair et al. 2015, §3: not published
        /// Weight of the past in the running mean and deviation. A rejected loss enters them as the limit that it
        /// exceeded.
        #[unit = "a gradient"]
        pub outlier_decay: f64 = 0.999, // not published
        /// None is rejected before so many were seen.
        #[unit = "gradients"]
        pub outlier_min_gradients: u64 = 1_000, // not published
    }
}

impl MethodRules for DqnSettings {
    fn learns(&self) -> Learns {
        Learns::ActionValues
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    fn replay_keys(&self) -> Option<&'static [&'static str]> {
        Some(&[
            "method.t_max",
            "method.n_step",
            "method.discount",
            "method.batch_size",
            "method.replay_ratio",
            "method.replay_start_env_steps",
            "method.priority_exponent",
            "method.priority_epsilon",
        ])
    }

    fn discount(&self) -> f32 {
        self.discount
    }

    /// Until it replays, until there is a first transition, and until a batch is earned.
    fn env_steps_before_gradient(&self, environments: u64) -> u64 {
        let first_transition = environments.saturating_mul(self.n_step as u64);
        let batch = (self.batch_size as f64 / self.replay_ratio).ceil() as u64;
        self.replay_start_env_steps
            .saturating_add(first_transition)
            .saturating_add(batch)
    }

    fn env_steps_per_gradient(&self, _environments: u64) -> f64 {
        self.batch_size as f64 / self.replay_ratio
    }

    fn target_sync(&self) -> Option<TargetSync> {
        Some(self.target_sync)
    }

    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations) {
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
        self.check_replay(around, violations);
        self.check_priorities(violations);
        self.check_outliers(violations);
    }
}

impl DqnSettings {
    fn check_replay(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        let envs_per_worker = around.environment.envs_per_worker;
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
            self.replay_start_env_steps <= around.run.total_env_steps,
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
