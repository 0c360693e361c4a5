//! When to publish, and when `θ⁻ ← θ`.

use std::time::Duration;

use troop_common::experiment::{Publish, TargetSync};

use super::snapshot::Snapshot;

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

    /// Whether a publish of `version` is due at any time from now on. With an interval nobody knows.
    pub(crate) fn will_be_due(&self, version: u64) -> bool {
        matches!(self.rule, Publish::Updates(_)) && self.is_due(version, self.last_at)
    }

    /// The version of the last publish, or of the one that is being made.
    pub(crate) fn last_version(&self) -> u64 {
        self.last_version
    }

    /// Starts again: `version` is published at `now`.
    pub(crate) fn restart(&mut self, version: u64, now: Duration) {
        self.last_version = version;
        self.last_at = now;
    }
}

/// Says when the target network is refreshed: each time its count *crosses* a multiple of the
/// interval, however far it jumped. If the interval grows with the sessions that make updates, what
/// has been counted since the last multiple stays.
#[derive(Debug)]
pub(crate) struct TargetClock {
    rule: TargetSync,
    counted: u64,
    /// Of these, those since the last multiple.
    since: u64,
}

impl TargetClock {
    pub(crate) fn new(rule: TargetSync, now: &Snapshot) -> Self {
        let mut clock = Self {
            rule,
            counted: 0,
            since: 0,
        };
        clock.due(now);
        clock
    }

    /// Whether the count has crossed a multiple since the last call.
    pub(crate) fn due(&mut self, now: &Snapshot) -> bool {
        let (count, interval) = match self.rule {
            TargetSync::Frames(interval) => (now.frames, interval),
            TargetSync::Updates(interval) => (now.version, interval),
            TargetSync::UpdatesPerWorker(updates) => {
                (now.version, updates.saturating_mul(now.sessions.max(1)))
            }
        };
        self.since += count.saturating_sub(self.counted);
        self.counted = self.counted.max(count);
        let due = self.since >= interval.max(1);
        self.since %= interval.max(1);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(frames: u64, version: u64, sessions: u64) -> Snapshot {
        Snapshot {
            at: Duration::ZERO,
            version,
            env_steps: 0,
            frames,
            sessions,
            observations: None,
        }
    }

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
        let mut clock = TargetClock::new(TargetSync::Frames(40_000), &at(0, 0, 1));
        assert!(!clock.due(&at(39_999, 1, 1)));
        assert!(clock.due(&at(40_013, 2, 1)));
        assert!(!clock.due(&at(79_999, 3, 1)));
        assert!(clock.due(&at(200_001, 4, 1)));
        assert!(!clock.due(&at(200_002, 5, 1)));
    }

    /// Versions up to `last` at which a target is due.
    fn due(rule: TargetSync, sessions: u64, last: u64) -> Vec<u64> {
        let mut clock = TargetClock::new(rule, &at(0, 0, sessions));
        let versions = 1..=last;
        versions
            .filter(|version| clock.due(&at(0, *version, sessions)))
            .collect()
    }

    #[test]
    fn a_period_for_each_worker_grows_with_them_and_is_the_same_for_one() {
        let per_worker = TargetSync::UpdatesPerWorker(10);
        let alone = due(TargetSync::Updates(10), 1, 95);
        assert_eq!(due(per_worker, 1, 95), alone);
        assert_eq!(due(per_worker, 0, 95), alone, "before the first session");
        assert_eq!(due(per_worker, 8, 250), [80, 160, 240]);
        assert_eq!(due(TargetSync::Updates(10), 8, 35), [10, 20, 30]);
    }

    #[test]
    fn what_was_counted_stays_when_sessions_come_and_go() {
        let mut clock = TargetClock::new(TargetSync::UpdatesPerWorker(10), &at(0, 0, 1));
        assert!(!clock.due(&at(0, 9, 1)));
        assert!(!clock.due(&at(0, 15, 2)));
        assert!(clock.due(&at(0, 20, 2)));
        assert!(!clock.due(&at(0, 35, 2)));
        assert!(clock.due(&at(0, 36, 1)), "16 since the last");
        assert!(!clock.due(&at(0, 39, 1)));
        assert!(clock.due(&at(0, 40, 1)), "6 of them count on");
    }

    #[test]
    fn a_resumed_target_clock_waits_for_the_next_multiple() {
        let mut clock = TargetClock::new(TargetSync::Updates(100), &at(0, 250, 1));
        assert!(!clock.due(&at(0, 299, 1)));
        assert!(clock.due(&at(0, 300, 1)));
    }
}
