use super::Reduction;
use super::method_rules::{Learns, MethodRules, Surroundings, check_segment, check_term_weights};
use super::settings::settings;
use super::violation::Violations;

settings! {
    /// Importance-weighted actor-critic with V-trace targets (Espeholt et al. 2018, arXiv 1802.01561). The defaults
    /// are those of its Atari experiments, but for `reduction`.
    pub struct ImpalaSettings {
        /// Steps of each environment in a segment: the paper's unroll.
        #[unit = "env steps"]
        pub t_max: usize = 20, // Atari
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99, // Atari
        /// ρ̄, where the importance weights of TD errors and of the policy's gradient are truncated. It decides which
        /// policy's values are learnt: the one proportional to `min(ρ̄ μ, π)`.
        pub importance_weight_limit: f64 = 1.0,
        /// c̄, where the importance weights of traces are truncated, at most ρ̄. It decides how fast values are learnt,
        /// and how much they vary; 0 is one-step.
        pub trace_limit: f64 = 1.0,
        /// λ, by which every trace is multiplied besides; 1 is the paper's, 0 one-step.
        pub lambda: f64 = 1.0, // remark 2
        /// β, the weight of the policy's entropy.
        pub entropy_weight: f64 = 0.01, // Atari
        /// Weight of half the squared value error: twice `a3c`'s for the same gradient.
        pub value_weight: f64 = 0.5, // Atari
        /// Unrolls of `t_max` steps of one environment that a gradient is of, if workers share a replay
        /// (`topology.trainers`). Otherwise a gradient is of a worker's own segment.
        #[unit = "unrolls"]
        pub batch_size: usize = 32, // Atari
        /// How the per-step losses of a segment become one: summed over time and environments, as in the paper, or
        /// averaged.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl MethodRules for ImpalaSettings {
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

    fn check(&self, _: &Surroundings<'_>, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        violations.expect(
            self.batch_size >= 1,
            "method.batch_size",
            "must be at least 1: a gradient without unrolls is none",
        );
        self.check_traces(violations);
        check_term_weights(self.entropy_weight, self.value_weight, violations);
    }
}

impl ImpalaSettings {
    fn check_traces(&self, violations: &mut Violations) {
        let limit = self.importance_weight_limit;
        let can_work = limit > 0.0 && limit.is_finite();
        violations.expect(
            can_work,
            "method.importance_weight_limit",
            "must be finite and above 0: at 0 nothing is learnt",
        );
        violations.expect(
            !can_work || (0.0..=limit).contains(&self.trace_limit),
            "method.trace_limit",
            "must be from 0 (one-step) to `method.importance_weight_limit`: V-trace needs c̄ ≤ ρ̄",
        );
        violations.expect(
            (0.0..=1.0).contains(&self.lambda),
            "method.lambda",
            "must be from 0 (one-step) to 1 (the paper's)",
        );
    }
}
