use super::settings::settings;
use super::violation::Violations;

settings! {
    /// `[checkpoint]`: what is saved, and when.
    pub struct CheckpointSettings {
        /// Time between two checkpoints; one is written at the end in any case.
        #[unit = "s"]
        pub interval_s: u64 = 60,
        /// Newest checkpoints that are kept.
        #[unit = "checkpoints"]
        pub keep: usize = 3,
    }
}

impl CheckpointSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            self.interval_s >= 1,
            "checkpoint.interval_s",
            "must be above 0: the learner would write and do nothing else",
        );
        violations.expect(
            self.keep >= 1,
            "checkpoint.keep",
            "must be at least 1: the run could not be resumed",
        );
    }
}
