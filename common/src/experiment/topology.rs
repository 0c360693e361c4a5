use super::settings::settings;
use super::violation::Violations;

/// No run has so many in one process.
const MOST_TRAINERS: usize = 1_024;

settings! {
    /// `[topology]`: who acts, who trains, and what lies between them. In one process, `troop train`.
    pub struct TopologySettings {
        /// Workers that only train, on the experience of `actor.workers` others that only act; 0: each worker does both,
        /// on its own experience.
        #[unit = "threads"]
        pub trainers: usize = 0,
        /// What the replay between them may take, or with `r2d2` each worker's own: observations, steps, tables.
        #[unit = "bytes"]
        pub replay_bytes: u64 = 1_073_741_824,
        /// How far those who add experience and those who draw it may run ahead of each other, in the largest portions
        /// that they add and draw; at least 1. Who is ahead waits.
        #[unit = "portions"]
        pub band: f64 = 2.0,
    }
}

impl TopologySettings {
    /// Whether some workers only act and others only train.
    pub fn is_split(&self) -> bool {
        self.trainers > 0
    }

    /// Notes every value that cannot work. `shares` says whether the method can learn from a replay that workers share.
    pub(super) fn check(&self, shares: bool, method: &str, violations: &mut Violations) {
        violations.expect(
            self.trainers == 0 || shares,
            "topology.trainers",
            format!("must be 0 with `method.name` = \"{method}\": it learns from its own worker's experience alone"),
        );
        violations.expect(
            self.trainers <= MOST_TRAINERS,
            "topology.trainers",
            "must be at most 1024: each is a thread",
        );
        violations.expect(
            self.replay_bytes >= 1,
            "topology.replay_bytes",
            "must be above 0: nothing could be kept",
        );
        violations.expect(
            self.band >= 1.0 && self.band.is_finite(),
            "topology.band",
            "must be finite and at least 1: below it a whole portion would never fit, and both sides would wait for \
             ever",
        );
    }
}
