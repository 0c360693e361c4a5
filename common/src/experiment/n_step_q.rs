use super::method_rules::{Learns, MethodRules, Surroundings, check_segment, check_target_sync};
use super::settings::settings;
use super::violation::Violations;
use super::{Reduction, TargetSync, View};

settings! {
    /// Asynchronous n-step Q-learning (Mnih et al. 2016, algorithm S2).
    pub struct NStepQSettings {
        /// Steps of each environment in a segment.
        #[unit = "env steps"]
        pub t_max: usize = 5,
        /// Discount γ.
        #[unit = "an env step"]
        pub discount: f32 = 0.99,
        /// The target network is refreshed each time the run's count crosses a multiple of this; `updates_per_worker`
        /// is multiplied by the number of workers, as the age of gradients is. It should be above 3.
        #[unit = "frames or updates"]
        pub target_sync: TargetSync = TargetSync::Frames(40_000),
        /// How the per-step losses of a segment become one: accumulated, as in the paper, or averaged over time and
        /// environments.
        pub reduction: Reduction = Reduction::Mean,
        /// How errors reach earlier states: each looks ahead to its return, or each error is handed back along an
        /// eligibility trace. The gradient is the same.
        pub view: View = View::Forward,
    }
}

impl MethodRules for NStepQSettings {
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

    fn target_sync(&self) -> Option<TargetSync> {
        Some(self.target_sync)
    }

    fn check(&self, _: &Surroundings<'_>, violations: &mut Violations) {
        check_segment(self.t_max, self.discount, violations);
        check_target_sync(self.target_sync, violations);
    }
}
