use std::time::Duration;

/// Time between two points of the history at most.
const POINT_INTERVAL: Duration = Duration::from_secs(5);

/// A run that is done sooner than that takes long has this many points all the same.
const POINTS_OF_A_SHORT_RUN: u64 = 200;

/// Says when a point of the history is due.
#[derive(Debug)]
pub(crate) struct PointClock {
    every_env_steps: u64,
    next_env_steps: u64,
    next_at: Duration,
}

impl PointClock {
    pub(crate) fn new(total_env_steps: u64, env_steps: u64) -> Self {
        let every_env_steps = (total_env_steps / POINTS_OF_A_SHORT_RUN).max(1);
        Self {
            every_env_steps,
            next_env_steps: env_steps.saturating_add(every_env_steps),
            next_at: POINT_INTERVAL,
        }
    }

    /// Whether one is due; then the clock starts again.
    pub(crate) fn due(&mut self, env_steps: u64, now: Duration) -> bool {
        let due = env_steps >= self.next_env_steps || now >= self.next_at;
        if due {
            self.next_env_steps = env_steps.saturating_add(self.every_env_steps);
            self.next_at = now + POINT_INTERVAL;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_due_after_five_seconds_or_a_part_of_the_run() {
        let mut clock = PointClock::new(200_000, 500);
        let millis = Duration::from_millis;
        assert!(!clock.due(1_499, millis(250)));
        assert!(clock.due(1_600, millis(500)));
        assert!(!clock.due(2_599, millis(5_499)));
        assert!(clock.due(2_599, millis(5_500)));
        assert!(!clock.due(3_598, millis(5_750)));
        let mut tiny = PointClock::new(10, 0);
        assert!(!tiny.due(0, millis(250)), "nothing has been done");
        assert!(tiny.due(1, millis(500)));
    }
}
