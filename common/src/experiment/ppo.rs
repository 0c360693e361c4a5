use super::checks::is_positive;
use super::method_rules::{
    Learns, MethodRules, Surroundings, check_gae_lambda, check_segment, check_term_weights,
};
use super::settings::settings;
use super::violation::Violations;

settings! {
    /// Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) with a decoupled proximal policy (Hilton
    /// et al. 2021, arXiv 2110.00641). The defaults are those of the former's Atari experiments (table 5), unless
    /// they say otherwise.
    pub struct PpoSettings {
        /// Steps of each environment in a segment; MuJoCo: 2048 of one.
        #[unit = "env steps"]
        pub t_max: usize = 128, // table 5; table 3: 2048
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99, // tables 3 and 5
        /// λ of generalised advantage estimation; 1 is the n-step advantage.
        pub gae_lambda: f32 = 0.95, // tables 3 and 5
        /// How often a segment is gone through; MuJoCo: 10.
        #[unit = "epochs a segment"]
        pub epochs: usize = 3, // table 5; table 3: 10
        /// Gradients of an epoch: the segment's steps are dealt out to so many minibatches at random, or with
        /// `model.lstm` its environments, each with all of its steps; MuJoCo: 32.
        #[unit = "gradients an epoch"]
        pub minibatches: usize = 4, // table 5: 8 × 128 steps, 256 a minibatch; table 3: 2048 and 64
        /// Unrolls of `t_max` steps of one environment that a gradient is of, if workers share a replay (`topology.trainers`): each is
        /// learnt from once, so `epochs`, `minibatches`, `value_clip` and `importance_weight_limit` say nothing then.
        #[unit = "unrolls"]
        pub batch_size: usize = 32, // Petrenko et al. 2020, §A.1: 1 024 env steps of unrolls of 32
        /// ε: a step pays nothing for changing the probability of its action by a larger share, in the direction that
        /// its advantage asks for.
        pub clip: f64 = 0.2, // table 1 and §6.1 (Atari: 0.1, annealed)
        /// How far a value may move from the one that the segment began with and still lower its error. `"none"`: any
        /// distance.
        #[unit = "return"]
        #[serde(with = "super::optional")]
        pub value_clip: Option<f64> = None, // not in the paper; OpenAI Baselines' ppo2 has ε for it
        /// β, the weight of the policy's entropy; MuJoCo: 0.
        pub entropy_weight: f64 = 0.01, // table 5, c₂
        /// Weight of half the squared error of the values.
        pub value_weight: f64 = 1.0, // Stable-Baselines3's 0.5 of the whole square; table 5, c₁: 2 here
        /// Whether advantages are shifted and scaled to mean 0 and deviation 1 within a minibatch.
        pub normalize_advantages: bool = true, // not in the paper; OpenAI Baselines' ppo2
        /// Largest weight of a step whose action the policy of the first epoch takes more often than the one that
        /// acted. `"none"`: any. Both are one policy unless other workers' updates came while this one acted.
        #[serde(with = "super::optional")]
        pub importance_weight_limit: Option<f64> = Some(10.0), // as `acer`'s c; Hilton et al. 2021 have none
        /// The rest of a segment is left alone once a minibatch finds the policy further from that of the first epoch
        /// than this. `"none"`: never.
        #[unit = "KL divergence"]
        #[serde(with = "super::optional")]
        pub max_kl: Option<f64> = None, // not in the paper; Stable-Baselines3's is 1.5 times its target_kl
    }
}

impl MethodRules for PpoSettings {
    fn learns(&self) -> Learns {
        Learns::Policy
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
        Some(&["method.t_max", "method.batch_size"])
    }

    fn env_steps_per_gradient(&self, environments: u64) -> f64 {
        let gradients = self.epochs as f64 * self.minibatches as f64;
        self.t_max as f64 * environments as f64 / gradients
    }

    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        check_gae_lambda(self.gae_lambda, violations);
        match around.is_split {
            true => self.check_unrolls(violations),
            false => self.check_minibatches(around, violations),
        }
        self.check_limits(violations);
        check_term_weights(self.entropy_weight, self.value_weight, violations);
    }
}

impl PpoSettings {
    /// What a segment has to be dealt out, the steps of each, and what they are called.
    fn dealt(&self, around: &Surroundings<'_>) -> (usize, usize, &'static str) {
        let environments = around.environment.envs_per_worker;
        match around.has_state {
            false => (
                self.t_max.saturating_mul(environments),
                1,
                "the steps of a segment (`method.t_max` × `environment.envs_per_worker`)",
            ),
            true => (
                environments,
                self.t_max,
                "`environment.envs_per_worker`: with `model.lstm` an environment's steps stay together",
            ),
        }
    }

    fn check_minibatches(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        violations.expect(
            self.epochs >= 1,
            "method.epochs",
            "must be at least 1: nothing is learnt without",
        );
        let (dealt, steps_each, what) = self.dealt(around);
        violations.expect(
            dealt == 0 || (1..=dealt).contains(&self.minibatches),
            "method.minibatches",
            format!("must be from 1 to {dealt}, {what}"),
        );
        let smallest = (dealt / self.minibatches.max(1)).saturating_mul(steps_each);
        violations.expect(
            !self.normalize_advantages || smallest != 1,
            "method.normalize_advantages",
            "needs more than one step in a minibatch (lower `method.minibatches`): a single advantage becomes 0",
        );
    }

    fn check_unrolls(&self, violations: &mut Violations) {
        violations.expect(
            self.batch_size >= 1,
            "method.batch_size",
            "must be at least 1: a gradient without unrolls is none",
        );
        let steps = self.batch_size.saturating_mul(self.t_max);
        violations.expect(
            !self.normalize_advantages || steps != 1,
            "method.normalize_advantages",
            "needs more than one step in a gradient (raise `method.batch_size`): a single advantage becomes 0",
        );
    }

    fn check_limits(&self, violations: &mut Violations) {
        violations.expect(
            is_positive(self.clip),
            "method.clip",
            "must be finite and above 0: at 0 the first step of the policy would be its last",
        );
        for (limit, key, why) in [
            (
                self.value_clip,
                "method.value_clip",
                "must be finite and above 0: at 0 no value could change; \"none\" switches it off",
            ),
            (
                self.importance_weight_limit,
                "method.importance_weight_limit",
                "must be finite and above 0: at 0 nothing is learnt; \"none\" switches it off",
            ),
            (
                self.max_kl,
                "method.max_kl",
                "must be finite and above 0: at 0 a segment has one gradient; \"none\" switches it off",
            ),
        ] {
            violations.expect(limit.is_none_or(is_positive), key, why);
        }
    }
}
