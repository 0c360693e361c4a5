use serde::{Deserialize, Serialize};

use super::EvaluateSettings;
use super::settings::settings;
use super::violation::Violations;

/// Which returns decide whether a task is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolvedBy {
    /// The mean of the last 100 episodes of training.
    #[default]
    Training,
    /// The mean of an evaluation.
    Evaluation,
}

settings! {
    /// `[experiment]`: what is run, how long, from which seed.
    pub struct RunSettings {
        /// Names the run's directory and its summary; a plain file name.
        pub name: String = "unnamed".into(),
        /// One line for `troop presets`.
        pub description: String = String::new(),
        /// Every random number of the run comes from it.
        pub seed: u64 = 1,
        /// The run ends after this many env steps, all workers together; schedules end here too.
        #[unit = "env steps"]
        pub total_env_steps: u64 = 1_000_000,
        /// Mean raw return from which the task counts as solved.
        #[unit = "return"]
        #[serde(with = "super::optional")]
        pub solve_return: Option<f64> = None,
        /// Of what that is the mean: the last 100 episodes of training, or the episodes of an evaluation.
        pub solved_by: SolvedBy = SolvedBy::Training,
        /// Whether the run ends as soon as the task is solved.
        pub stop_when_solved: bool = false,
        /// Episodes apart from training.
        pub evaluate: EvaluateSettings = EvaluateSettings::default(),
    }
}

impl RunSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        let name = &self.name;
        let plain = !name
            .chars()
            .any(|letter| matches!(letter, '/' | '\\') || letter.is_control());
        violations.expect(
            plain && !name.trim().is_empty() && !name.starts_with('.') && name.len() <= 128,
            "experiment.name",
            "must be a plain file name (no slash, no leading dot, at most 128 bytes): it names the \
             run's directory",
        );
        violations.expect(
            !self.description.contains('\n'),
            "experiment.description",
            "must be one line: `troop presets` shows it in a table",
        );
        violations.expect(
            self.total_env_steps >= 1,
            "experiment.total_env_steps",
            "must be at least 1: a run without steps learns nothing",
        );
        violations.expect(
            self.solve_return.is_none_or(f64::is_finite),
            "experiment.solve_return",
            "must be finite: no mean return reaches it otherwise",
        );
        violations.expect(
            !self.stop_when_solved || self.solve_return.is_some(),
            "experiment.stop_when_solved",
            "needs `experiment.solve_return`: without it nothing counts as solved",
        );
        violations.expect(
            self.solved_by == SolvedBy::Training || self.evaluate.is_on(),
            "experiment.solved_by",
            "needs `experiment.evaluate.every_env_steps` above 0: without evaluations nothing counts as solved",
        );
    }
}
