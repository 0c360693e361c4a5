use serde::{Deserialize, Serialize};

use super::validate::is_positive;
use super::violation::Violations;

/// Longest mean delay of a gradient, in milliseconds.
const LONGEST_PUSH_DELAY_MS: u64 = 60_000;

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
    /// A worker scales a gradient with a larger global norm down to it, before it is sent; absent:
    /// none is.
    #[serde(with = "super::optional")]
    pub max_gradient_norm: Option<f64>,
    /// Mean of the exponentially distributed time by which a worker delays each gradient, in
    /// milliseconds: makes gradients stale for experiments.
    pub push_delay_ms: u64,
}

impl Default for ActorSettings {
    fn default() -> Self {
        Self {
            workers: 0,
            reconnect_initial_ms: 100,
            reconnect_max_ms: 5_000,
            give_up_after_s: 300,
            max_gradient_norm: None,
            push_delay_ms: 0,
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
        violations.expect(
            self.max_gradient_norm.is_none_or(is_positive),
            "actor.max_gradient_norm",
            "must be finite and above 0: at 0 every gradient would vanish; \"none\" switches it off",
        );
        violations.expect(
            self.push_delay_ms <= LONGEST_PUSH_DELAY_MS,
            "actor.push_delay_ms",
            "must be at most 60000: a worker that waits does not notice that it is to stop",
        );
    }
}
