use std::time::Duration;

/// Says when a checkpoint is due.
#[derive(Debug)]
pub(crate) struct CheckpointClock {
    interval: Duration,
    last_version: u64,
    last_at: Duration,
}

impl CheckpointClock {
    pub(crate) fn new(interval: Duration, version: u64) -> Self {
        Self {
            interval,
            last_version: version,
            last_at: Duration::ZERO,
        }
    }

    /// Whether one is due at `version` and `now`; then the interval starts again. If no update was applied
    /// since the last one that was [written](Self::written) there is nothing to write.
    pub(crate) fn due(&mut self, version: u64, now: Duration) -> bool {
        let due = version > self.last_version && now >= self.last_at + self.interval;
        if due {
            self.last_at = now;
        }
        due
    }

    /// One of `version` is there.
    pub(crate) fn written(&mut self, version: u64) {
        self.last_version = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_after_the_interval_and_only_with_something_new() {
        let mut clock = CheckpointClock::new(Duration::from_secs(60), 5);
        let seconds = Duration::from_secs;
        assert!(!clock.due(6, seconds(59)));
        assert!(clock.due(6, seconds(60)));
        clock.written(6);
        assert!(!clock.due(6, seconds(500)));
        assert!(clock.due(7, seconds(500)));
        assert!(!clock.due(8, seconds(559)));
        assert!(clock.due(8, seconds(560)));
    }

    #[test]
    fn a_checkpoint_that_failed_is_due_again_after_an_interval_without_an_update() {
        let mut clock = CheckpointClock::new(Duration::from_secs(60), 5);
        let seconds = Duration::from_secs;
        assert!(clock.due(6, seconds(60)));
        assert!(!clock.due(6, seconds(119)));
        assert!(clock.due(6, seconds(120)));
        clock.written(6);
        assert!(!clock.due(6, seconds(500)));
    }
}
