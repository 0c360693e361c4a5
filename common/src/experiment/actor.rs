use serde::{Deserialize, Serialize};

use super::violation::Violations;

/// `[actor]`: the processes that act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActorSettings {
    /// Workers of each process; 0 takes one a core.
    pub workers: usize,
    /// First pause before the learner is tried again, in milliseconds; it doubles, with jitter.
    pub reconnect_initial_ms: u64,
    /// Longest pause between two tries, in milliseconds.
    pub reconnect_max_ms: u64,
    /// An actor that has not reached the learner for this long gives up, in seconds.
    pub give_up_after_s: u64,
}

impl Default for ActorSettings {
    fn default() -> Self {
        Self {
            workers: 0,
            reconnect_initial_ms: 100,
            reconnect_max_ms: 5_000,
            give_up_after_s: 300,
        }
    }
}

impl ActorSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            self.reconnect_initial_ms >= 1,
            "actor.reconnect_initial_ms",
            "must be above 0: it doubles from there",
        );
        violations.expect(
            self.reconnect_max_ms >= self.reconnect_initial_ms,
            "actor.reconnect_max_ms",
            "must be at least `actor.reconnect_initial_ms`: pauses grow from that one to this one",
        );
        violations.expect(
            self.give_up_after_s >= 1,
            "actor.give_up_after_s",
            "must be above 0: the learner may still be starting",
        );
    }
}
