use serde::{Deserialize, Serialize};

use super::method::{Learns, MethodRules, check_segment};
use super::violation::Violations;
use super::{Experiment, Reduction};

/// Actor-critic with experience replay (Wang et al. 2017, arXiv 1611.01224), for discrete and for
/// continuous actions. The defaults are those of its Atari experiments (§5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcerSettings {
    /// Steps of each environment in a segment, `k`; §5.1: 20, in continuous control 50.
    pub t_max: usize,
    /// Discount γ of a step; §5.1.
    pub discount: f32,
    /// Mean number of updates on replayed segments for each one on a live segment, which is drawn
    /// from Poisson's distribution; §5.1: 0, 1, 4 and 8 were tried.
    pub replay_ratio: f64,
    /// Steps that each worker remembers, its environments together; §5.1: 50 000 frames, in
    /// continuous control 5 000.
    pub replay_capacity_env_steps: usize,
    /// Steps that a worker takes before it replays.
    pub replay_start_env_steps: usize,
    /// c, where importance weights are truncated; what lies above is made up for by the bias
    /// correction. Absent: they are not. §5.1: 10, in continuous control 5.
    #[serde(with = "super::optional")]
    pub importance_weight_limit: Option<f64>,
    /// δ, how far a step may move the policy away from the average one, to first order in the KL
    /// divergence. Absent: any distance. §5.1: 1, in continuous control from U\[0.1, 2\].
    #[serde(with = "super::optional")]
    pub trust_region: Option<f64>,
    /// α of the average network, an update; §5.1: 0.99, in continuous control 0.995.
    pub average_decay: f64,
    /// β, the weight of the policy's entropy; §5.1.
    pub entropy_weight: f64,
    /// Weight of the squared errors of the action values: 1 is algorithm 2's, ½ algorithm 3's.
    pub value_weight: f64,
    /// How per-step losses become one.
    pub reduction: Reduction,
    /// Continuous actions: n, samples of the policy in a stochastic duelling network (§4.2).
    pub duelling_samples: usize,
    /// Continuous actions: σ, the policy's fixed standard deviation in every dimension (§5.2), in the
    /// action's own units.
    pub action_deviation: f64,
}

impl Default for AcerSettings {
    fn default() -> Self {
        Self {
            t_max: 20,
            discount: 0.99,
            replay_ratio: 4.0,
            replay_capacity_env_steps: 50_000,
            replay_start_env_steps: 0,
            importance_weight_limit: Some(10.0),
            trust_region: Some(1.0),
            average_decay: 0.99,
            entropy_weight: 0.001,
            value_weight: 0.5,
            reduction: Reduction::Mean,
            duelling_samples: 5,
            action_deviation: 0.3,
        }
    }
}

impl MethodRules for AcerSettings {
    fn learns(&self) -> Learns {
        Learns::Policy
    }

    fn t_max(&self) -> usize {
        self.t_max
    }

    fn check(&self, experiment: &Experiment, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        self.check_replay(experiment.environment.envs_per_worker, violations);
        self.check_policy(violations);
        self.check_weights(violations);
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

    fn check_weights(&self, violations: &mut Violations) {
        for (key, weight) in [
            ("method.entropy_weight", self.entropy_weight),
            ("method.value_weight", self.value_weight),
        ] {
            violations.expect(
                weight >= 0.0 && weight.is_finite(),
                key,
                "must be finite and at least 0: a negative weight drives its term the wrong way",
            );
        }
    }
}
