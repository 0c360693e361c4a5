use super::checks::is_positive;
use super::settings::settings;
use super::violation::Violations;

/// Longest mean delay of a gradient, in milliseconds.
const LONGEST_PUSH_DELAY_MS: u64 = 60_000;

/// A learner believes a sum to be of so many gradients at most.
const MOST_RELAY_WORKERS: usize = 1_024;

settings! {
    /// `[actor]`: the processes that act.
    pub struct ActorSettings {
        /// Workers of each process; 0 takes one a core.
        #[unit = "threads"]
        pub workers: usize = 0,
        /// First pause before the learner is tried again; it doubles, with jitter.
        #[unit = "ms"]
        pub reconnect_initial_ms: u64 = 100,
        /// Longest pause between two tries.
        #[unit = "ms"]
        pub reconnect_max_ms: u64 = 5_000,
        /// An actor that has not reached the learner for this long gives up.
        #[unit = "s"]
        pub give_up_after_s: u64 = 300,
        /// A worker scales a gradient with a larger global norm down to it before it is sent;
        /// `optimizer.max_gradient_norm` is the learner's own limit.
        #[unit = "global norm"]
        #[serde(with = "super::optional")]
        pub max_gradient_norm: Option<f64> = None,
        /// Mean of an exponentially distributed delay before each gradient is sent, for experiments on staleness; at
        /// most 60000.
        #[unit = "ms"]
        pub push_delay_ms: u64 = 0,
        /// Workers of an actor that share a session: a gradient of each is summed before it is sent, so that so many times
        /// fewer bytes cross the network; at most 1024. The learner takes one step for all, along their mean, at as many times
        /// the learning rate.
        #[unit = "workers"]
        pub relay_workers: usize = 1,
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
        violations.expect(
            (1..=MOST_RELAY_WORKERS).contains(&self.relay_workers),
            "actor.relay_workers",
            "must be from 1, each sends its own, to 1024",
        );
    }
}
