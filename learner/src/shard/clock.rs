//! When to publish, and when `θ⁻ ← θ`.

use std::time::Duration;

use troop_common::experiment::{Publish, TargetSync};

/// Says when the current parameters become the ones that actors get next.
#[derive(Debug)]
pub(crate) struct PublishClock {
    rule: Publish,
    last_version: u64,
    last_at: Duration,
}

impl PublishClock {
    pub(crate) fn new(rule: Publish, version: u64, now: Duration) -> Self {
        Self {
            rule,
            last_version: version,
            last_at: now,
        }
    }

    /// Whether a publish is due at `version` and `now`, until one is made.
    pub(crate) fn is_due(&self, version: u64, now: Duration) -> bool {
        match self.rule {
            Publish::Updates(updates) => version >= self.last_version.saturating_add(updates),
            Publish::IntervalMs(ms) => {
                version > self.last_version && now >= self.last_at + Duration::from_millis(ms)
            }
        }
    }

    /// Starts again: `version` is published at `now`.
    pub(crate) fn restart(&mut self, version: u64, now: Duration) {
        self.last_version = version;
        self.last_at = now;
    }
}

/// Says when the target network is refreshed: each time its count *crosses* a multiple of the
/// interval, however far it jumped.
#[derive(Debug)]
pub(crate) struct TargetClock {
    rule: TargetSync,
    last_multiple: u64,
}

impl TargetClock {
    pub(crate) fn new(rule: TargetSync, frames: u64, version: u64) -> Self {
        let mut clock = Self {
            rule,
            last_multiple: 0,
        };
        clock.due(frames, version);
        clock
    }

    /// Whether the count has crossed a multiple since the last call.
    pub(crate) fn due(&mut self, frames: u64, version: u64) -> bool {
        let (count, interval) = match self.rule {
            TargetSync::Frames(interval) => (frames, interval),
            TargetSync::Updates(interval) => (version, interval),
        };
        let multiple = count / interval.max(1);
        let due = multiple > self.last_multiple;
        self.last_multiple = self.last_multiple.max(multiple);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(clock: &mut PublishClock, version: u64, now: Duration) -> bool {
        let due = clock.is_due(version, now);
        if due {
            clock.restart(version, now);
        }
        due
    }

    #[test]
    fn publishing_by_updates_ignores_time() {
        let mut clock = PublishClock::new(Publish::Updates(3), 0, Duration::ZERO);
        let due: Vec<u64> = (1..=9)
            .filter(|v| publish(&mut clock, *v, Duration::ZERO))
            .collect();
        assert_eq!(due, [3, 6, 9]);
    }

    #[test]
    fn publishing_by_time_needs_something_new() {
        let mut clock = PublishClock::new(Publish::IntervalMs(10), 5, Duration::ZERO);
        let ms = Duration::from_millis;
        assert!(!publish(&mut clock, 6, ms(9)));
        assert!(publish(&mut clock, 6, ms(10)));
        assert!(!publish(&mut clock, 6, ms(50)));
        assert!(publish(&mut clock, 7, ms(51)));
        assert!(!publish(&mut clock, 8, ms(60)));
    }

    #[test]
    fn a_target_sync_is_not_missed_when_the_count_jumps_over_the_multiple() {
        let mut clock = TargetClock::new(TargetSync::Frames(40_000), 0, 0);
        assert!(!clock.due(39_999, 1));
        assert!(clock.due(40_013, 2));
        assert!(!clock.due(79_999, 3));
        assert!(clock.due(200_001, 4));
        assert!(!clock.due(200_002, 5));
    }

    #[test]
    fn a_resumed_target_clock_waits_for_the_next_multiple() {
        let mut clock = TargetClock::new(TargetSync::Updates(100), 0, 250);
        assert!(!clock.due(0, 299));
        assert!(clock.due(0, 300));
    }
}
