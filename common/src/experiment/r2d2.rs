use super::TargetSync;
use super::checks::is_positive;
use super::method_rules::{Learns, MethodRules, Surroundings, check_segment, check_target_sync};
use super::settings::settings;
use super::violation::Violations;

/// A power of the largest number that a TD error may be has to be a number too.
const LARGEST_EXPONENT: f64 = 4.0;

settings! {
    /// Recurrent replay distributed DQN (Kapturowski et al. 2019, "Recurrent Experience Replay in Distributed Reinforcement
    /// Learning"). The defaults are those of its Atari experiments, unless they say otherwise. The replay, one of a worker's own or
    /// one that workers share, takes `topology.replay_bytes`.
    pub struct R2d2Settings {
        /// Steps of each environment between two looks at the learner's weights.
        #[unit = "env steps"]
        pub t_max: usize = 40, // chosen; the paper's actors look every 400 frames
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.997, // table 2
        /// The target network is refreshed each time the run's count crosses a multiple of this; `updates_per_worker`
        /// is multiplied by the number of workers, as the age of gradients is. It should be above 3.
        #[unit = "frames or updates"]
        pub target_sync: TargetSync = TargetSync::Updates(2_500), // table 2
        /// Rewards of a return before the value behind them; fewer at the end of an episode or of a sequence.
        #[unit = "env steps"]
        pub n_step: usize = 5, // §2.3
        /// Steps of a sequence, its burn-in included. One that ends with its episode may be shorter.
        #[unit = "env steps"]
        pub sequence_env_steps: usize = 80, // §2.3
        /// Steps that neighbouring sequences have in common.
        #[unit = "env steps"]
        pub overlap_env_steps: usize = 40, // §2.3
        /// The first steps of a sequence, which only bring the recurrent state up to date; none where an episode begins. At
        /// most the overlap.
        #[unit = "env steps"]
        pub burn_in_env_steps: usize = 40, // §3, l = 40
        /// Sequences of a gradient.
        #[unit = "sequences"]
        pub batch_size: usize = 64, // table 2
        /// Env steps drawn for each env step that is taken, burn-in included.
        #[unit = "env steps an env step"]
        pub replay_ratio: f64 = 0.4, // §2.3: 5 updates of 64 × 80 env steps while 256 actors take 260 each
        /// Env steps before the first gradient: a worker's own, or of all workers together if they share a replay.
        #[unit = "env steps"]
        pub replay_start_env_steps: u64 = 50_000, // Horgan et al. 2018, §4.1
        /// ω: sequences are drawn in proportion to `(p + ε)^ω` with `p = 0.9 max abs(δ) + 0.1 mean abs(δ)` of their steps.
        pub priority_exponent: f64 = 0.9, // §2.3
        /// ε of the priorities.
        pub priority_epsilon: f64 = 1e-6, // small, Schaul et al. 2016, §3.3
        /// β: gradients are weighted by `(N·P)^−β` over the largest weight of the batch.
        pub importance_exponent: f64 = 0.6, // §2.3
        /// ε of the function that values are rescaled by, `sign(x)(√(abs(x) + 1) − 1) + εx`, in place of clipping rewards. `"none"`:
        /// values are as they are.
        #[serde(with = "super::optional")]
        pub rescaling_epsilon: Option<f64> = Some(1e-3), // §2.3
    }
}

impl MethodRules for R2d2Settings {
    fn learns(&self) -> Learns {
        Learns::ActionValues
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    fn discount(&self) -> f32 {
        self.discount
    }

    fn is_recurrent(&self) -> bool {
        true
    }

    fn replay_keys(&self) -> Option<&'static [&'static str]> {
        Some(&[
            "method.t_max",
            "method.sequence_env_steps",
            "method.overlap_env_steps",
            "method.burn_in_env_steps",
            "method.batch_size",
            "method.replay_ratio",
            "method.replay_start_env_steps",
            "method.priority_exponent",
            "method.priority_epsilon",
        ])
    }

    /// Until it replays, until there is a first sequence, and until a batch is earned.
    fn env_steps_before_gradient(&self, environments: u64) -> u64 {
        let first_sequence = environments.saturating_mul(self.sequence_env_steps as u64);
        let batch = self.env_steps_per_gradient(environments).ceil() as u64;
        self.replay_start_env_steps
            .saturating_add(first_sequence)
            .saturating_add(batch)
    }

    /// Of whole sequences.
    fn env_steps_per_gradient(&self, _environments: u64) -> f64 {
        let drawn = self.batch_size as f64 * self.sequence_env_steps as f64;
        drawn / self.replay_ratio
    }

    fn target_sync(&self) -> Option<TargetSync> {
        Some(self.target_sync)
    }

    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        check_target_sync(self.target_sync, violations);
        self.check_sequences(violations);
        self.check_replay(around, violations);
        self.check_priorities(violations);
        violations.expect(
            self.rescaling_epsilon.is_none_or(is_positive),
            "method.rescaling_epsilon",
            "must be finite and above 0: at 0 there is no way back from rescaled values; \"none\" switches it off",
        );
    }
}

impl R2d2Settings {
    fn check_sequences(&self, violations: &mut Violations) {
        violations.expect(
            self.n_step >= 1,
            "method.n_step",
            "must be at least 1: a return has at least one reward",
        );
        violations.expect(
            self.sequence_env_steps >= 1,
            "method.sequence_env_steps",
            "must be at least 1: a sequence without steps teaches nothing",
        );
        violations.expect(
            self.overlap_env_steps < self.sequence_env_steps.max(1),
            "method.overlap_env_steps",
            "must be below `method.sequence_env_steps`: the next sequence begins later than this one",
        );
        violations.expect(
            self.burn_in_env_steps <= self.overlap_env_steps,
            "method.burn_in_env_steps",
            "must be at most `method.overlap_env_steps`: steps that no other sequence has would never be learnt from",
        );
    }

    fn check_replay(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        violations.expect(
            self.batch_size >= 1,
            "method.batch_size",
            "must be at least 1: a gradient without sequences is none",
        );
        violations.expect(
            is_positive(self.replay_ratio),
            "method.replay_ratio",
            "must be finite and above 0: at 0 nothing is ever replayed",
        );
        violations.expect(
            self.replay_start_env_steps <= around.run.total_env_steps,
            "method.replay_start_env_steps",
            "must not exceed `experiment.total_env_steps`: the run would end before it learns",
        );
    }

    fn check_priorities(&self, violations: &mut Violations) {
        violations.expect(
            is_positive(self.priority_exponent) && self.priority_exponent <= LARGEST_EXPONENT,
            "method.priority_exponent",
            "must be above 0 and at most 4: sequences are drawn by priority",
        );
        violations.expect(
            is_positive(self.priority_epsilon),
            "method.priority_epsilon",
            "must be finite and above 0: a sequence without error would never be drawn again",
        );
        violations.expect(
            (0.0..=1.0).contains(&self.importance_exponent),
            "method.importance_exponent",
            "must be from 0 (none) to 1 (full)",
        );
    }
}
