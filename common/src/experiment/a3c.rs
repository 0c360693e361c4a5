use super::method_rules::{
    Learns, MethodRules, Surroundings, check_gae_lambda, check_segment, check_term_weights,
};
use super::settings::settings;
use super::violation::Violations;
use super::{Reduction, View};

settings! {
    /// Asynchronous advantage actor-critic (Mnih et al. 2016, algorithm S3).
    pub struct A3cSettings {
        /// Steps of each environment in a segment.
        #[unit = "env steps"]
        pub t_max: usize = 5,
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99,
        /// λ of generalised advantage estimation; 1 is the paper's n-step advantage.
        pub gae_lambda: f32 = 1.0,
        /// β, the weight of the policy's entropy.
        pub entropy_weight: f64 = 0.01,
        /// Weight of the squared value error.
        pub value_weight: f64 = 0.5,
        /// How the per-step losses of a segment become one: accumulated, as in the paper, or averaged over time and
        /// environments.
        pub reduction: Reduction = Reduction::Mean,
        /// Whether advantages are shifted and scaled to mean 0 and deviation 1 within a segment; not with the
        /// backward view.
        pub normalize_advantages: bool = false,
        /// How errors reach earlier states: each looks ahead to its return, or each error is handed back along an
        /// eligibility trace. The gradient is the same.
        pub view: View = View::Forward,
    }
}

impl MethodRules for A3cSettings {
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

    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations) {
        let envs_per_worker = around.environment.envs_per_worker;
        check_segment(self.t_max, self.discount, violations);
        check_gae_lambda(self.gae_lambda, violations);
        check_term_weights(self.entropy_weight, self.value_weight, violations);
        violations.expect(
            !self.normalize_advantages || self.t_max.saturating_mul(envs_per_worker) != 1,
            "method.normalize_advantages",
            "needs more than one step in a segment (`method.t_max` × `environment.envs_per_worker`): \
             a single advantage becomes 0");
        violations.expect(
            !self.normalize_advantages || self.view == View::Forward,
            "method.normalize_advantages",
            "needs `method.view` = \"forward\": a trace hands each error back before all are known",
        );
    }
}
