use super::method_rules::Surroundings;
use super::violation::Violations;
use super::{Experiment, LearnerSettings};
use crate::address::Address;

impl Experiment {
    /// Checks everything that can be checked without looking beyond the experiment: each section
    /// says what its values must be, and why.
    ///
    /// # Errors
    /// Every value that cannot work, with the reason.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::default();
        self.check_values(&mut violations);
        self.check_listeners(&mut violations);
        self.judge(violations)
    }

    /// [`Self::validate`] without what concerns listeners.
    pub(super) fn validate_values(&self) -> Result<(), Violations> {
        let mut violations = Violations::default();
        self.check_values(&mut violations);
        self.judge(violations)
    }

    /// `Ok` if there is no violation, else all of them with the values found.
    fn judge(&self, mut violations: Violations) -> Result<(), Violations> {
        if violations.0.is_empty() {
            return Ok(());
        }
        violations.show_values(&self.to_table().unwrap_or_default());
        Err(violations)
    }

    fn check_values(&self, violations: &mut Violations) {
        self.experiment.check(violations);
        self.experiment.evaluate.check(violations);
        self.environment.check(violations);
        self.environment.atari.check(violations);
        self.model
            .check(&self.method, &self.environment, violations);
        let around = Surroundings {
            run: &self.experiment,
            environment: &self.environment,
            has_state: self.model.lstm.is_some(),
            is_split: self.topology.is_split(),
        };
        self.method.rules().check(&around, violations);
        self.exploration.check(self.actor.workers, violations);
        self.optimizer.check(self.learner.staleness, violations);
        self.learner.check(violations);
        self.actor.check(violations);
        let rules = self.method.rules();
        self.topology.check(
            rules.replay_keys().is_some(),
            self.method.name(),
            violations,
        );
        self.wire.check(self.learner.publish, violations);
        self.checkpoint.check(violations);
        self.telemetry.check(violations);
        self.security.check(violations);
    }

    fn check_listeners(&self, violations: &mut Violations) {
        let LearnerSettings { listen, http, .. } = &self.learner;
        self.security.check_listeners(&self.learner, violations);
        violations.expect(
            http.port() == 0 || *listen != Address::Tcp(*http),
            "learner.http",
            "must differ from `learner.listen`: one port cannot serve both",
        );
    }
}
