use super::Reduction;
use super::method_rules::{Learns, MethodRules, Surroundings, check_segment, check_term_weights};
use super::settings::settings;
use super::violation::Violations;

settings! {
    /// Actor-critic with experience replay (Wang et al. 2017, arXiv 1611.01224), for discrete and for
    /// continuous actions. The defaults are those of its Atari experiments (§5.1).
    pub struct AcerSettings {
        /// Steps of each environment in a segment, k; MuJoCo: 50.
        #[unit = "env steps"]
        pub t_max: usize = 20, // §5.1; in continuous control 50
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99, // §5.1
        /// Mean number of gradients on replayed segments that follow the one on a live segment, drawn from Poisson's
        /// distribution; 0 is without replay, at most 100.
        #[unit = "gradients a segment"]
        pub replay_ratio: f64 = 4.0, // §5.1: 0, 1, 4 and 8 were tried
        /// Env steps that each worker remembers, its environments together; MuJoCo: 5000. Each observation, or frame
        /// of a stack, is stored once.
        #[unit = "env steps"]
        pub replay_capacity_env_steps: usize = 50_000, // §5.1: frames; in continuous control 5 000
        /// Env steps that a worker takes before it replays.
        #[unit = "env steps"]
        pub replay_start_env_steps: usize = 0,
        /// c, where importance weights are truncated; the bias correction makes up for it. `"none"`: never. MuJoCo:
        /// 5.
        #[serde(with = "super::optional")]
        pub importance_weight_limit: Option<f64> = Some(10.0), // §5.1; in continuous control 5
        /// δ, how far a step may move the policy away from the average one, to first order in the KL divergence.
        /// `"none"`: any distance. MuJoCo: from U\[0.1, 2\].
        #[unit = "KL divergence"]
        #[serde(with = "super::optional")]
        pub trust_region: Option<f64> = Some(1.0), // §5.1; in continuous control from U[0.1, 2]
        /// α of the average network; MuJoCo: 0.995.
        #[unit = "an update"]
        pub average_decay: f64 = 0.99, // §5.1; in continuous control 0.995
        /// β, the weight of the policy's entropy.
        pub entropy_weight: f64 = 0.001, // §5.1
        /// Weight of the squared errors of the values: 1 is algorithm 2's, ½ algorithm 3's.
        pub value_weight: f64 = 0.5,
        /// How the per-step losses of a segment become one: accumulated, as in the paper, or averaged over time and
        /// environments.
        pub reduction: Reduction = Reduction::Mean,
        /// Continuous actions: n, samples of the policy in a stochastic duelling network.
        #[unit = "actions"]
        pub duelling_samples: usize = 5, // §4.2
        /// Continuous actions: σ, the policy's fixed standard deviation in every dimension, in units of the actions that
        /// the policy gives, see `environment.rescale_actions`.
        #[unit = "action"]
        pub action_deviation: f64 = 0.3, // §5.2
    }
}

impl MethodRules for AcerSettings {
    fn learns(&self) -> Learns {
        Learns::Policy
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    fn discount(&self) -> f32 {
        self.discount
    }

    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        self.check_replay(around.environment.envs_per_worker, violations);
        self.check_policy(violations);
        check_term_weights(self.entropy_weight, self.value_weight, violations);
    }
}

impl AcerSettings {
    /// Largest `replay_ratio`: beyond it a worker would hardly ever act.
    const MAX_REPLAY_RATIO: f64 = 100.0;

    fn check_replay(&self, envs_per_worker: usize, violations: &mut Violations) {
        violations.expect(
            (0.0..=Self::MAX_REPLAY_RATIO).contains(&self.replay_ratio),
            "method.replay_ratio",
            "must be from 0 (no replay) to 100 updates for each live one",
        );
        let segment = self.t_max.saturating_mul(envs_per_worker);
        violations.expect(
            self.replay_ratio == 0.0 || self.replay_capacity_env_steps > segment,
            "method.replay_capacity_env_steps",
            format!(
                "must be above {segment}, the steps of a segment (`method.t_max` × `environment.envs_per_worker`): \
                 else there is nothing to replay; replay_ratio = 0 switches replay off"
            ),
        );
        violations.expect(
            self.replay_start_env_steps <= self.replay_capacity_env_steps,
            "method.replay_start_env_steps",
            "must be at most `method.replay_capacity_env_steps`: a memory never holds more",
        );
    }

    fn check_policy(&self, violations: &mut Violations) {
        violations.expect(
            self.importance_weight_limit.is_none_or(|c| c > 0.0 && c.is_finite()),
            "method.importance_weight_limit",
            "must be finite and above 0: at 0 nothing is learnt from the action taken; \"none\" switches it off",
        );
        violations.expect(
            self.trust_region
                .is_none_or(|delta| delta > 0.0 && delta.is_finite()),
            "method.trust_region",
            "must be finite and above 0: at 0 the policy could only stay or come back; \"none\" switches it off",
        );
        violations.expect(
            (0.0..1.0).contains(&self.average_decay),
            "method.average_decay",
            "must be at least 0 (the newest weights) and below 1 (the first ones for ever)",
        );
        violations.expect(
            self.duelling_samples >= 1,
            "method.duelling_samples",
            "must be at least 1: the advantages' mean is estimated by them",
        );
        violations.expect(
            self.action_deviation > 0.0 && self.action_deviation.is_finite(),
            "method.action_deviation",
            "must be finite and above 0: a policy without noise has no likelihood",
        );
    }
}
