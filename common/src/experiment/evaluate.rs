use super::settings::settings;
use super::violation::Violations;

/// More are no estimate any more but a training of their own.
const MOST_EPISODES: u32 = 10_000;

settings! {
    /// `[experiment.evaluate]`: whole episodes with published weights, by a worker of their own.
    pub struct EvaluateSettings {
        /// An evaluation begins each time the run's count has crossed a multiple of this; 0: none. One that takes longer
        /// leaves the multiples out that are crossed meanwhile.
        #[unit = "env steps"]
        pub every_env_steps: u64 = 0,
        /// Whole episodes of an evaluation.
        #[unit = "episodes"]
        pub episodes: u32 = 10,
        /// Whether the policy's likeliest action is taken, and none at random.
        pub greedy: bool = true,
        /// What the evaluation with the weights that the run ended with may take; 0: it ends without.
        #[unit = "s"]
        pub last_s: u64 = 60,
    }
}

impl EvaluateSettings {
    /// Whether there are evaluations.
    pub fn is_on(&self) -> bool {
        self.every_env_steps > 0
    }

    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            (1..=MOST_EPISODES).contains(&self.episodes),
            "experiment.evaluate.episodes",
            "must be from 1 to 10000: without episodes there is no score, and more are a run of their own",
        );
    }
}
