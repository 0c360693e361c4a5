use std::time::Duration;

use troop_common::experiment::ActorSettings;

/// Pauses between tries: each twice as long as the one before, up to a limit, with jitter so that
/// many workers do not come back at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    initial: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(settings: &ActorSettings) -> Self {
        let initial = Duration::from_millis(settings.reconnect_initial_ms);
        let longest = Duration::from_millis(settings.reconnect_max_ms).max(initial);
        Self {
            initial,
            longest,
            next: initial,
        }
    }

    /// The next pause; `jitter`, from 0 to 1, places it in its upper half.
    pub(super) fn next(&mut self, jitter: f64) -> Duration {
        let pause = self.next.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    /// Starts again from the shortest pause.
    pub(super) fn reset(&mut self) {
        self.next = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again() {
        let mut backoff = Backoff::new(&ActorSettings {
            reconnect_initial_ms: 100,
            reconnect_max_ms: 500,
            ..ActorSettings::default()
        });
        let ms = |pause: Duration| pause.as_millis();
        let pauses: Vec<u128> = (0..4).map(|_| ms(backoff.next(1.0))).collect();
        assert_eq!(pauses, [100, 200, 400, 500]);
        assert_eq!(ms(backoff.next(0.0)), 250);
        backoff.reset();
        assert_eq!(ms(backoff.next(0.5)), 75);
    }
}
