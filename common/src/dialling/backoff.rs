use std::time::Duration;

use crate::experiment::ActorSettings;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pauses between tries: each twice as long as the one before, up to a limit, with jitter so that
/// many workers do not come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    longest: Duration,
    next: Duration,
    generator: ChaCha8Rng,
}

impl Backoff {
    /// The pauses of a caller; each has another seed.
    pub fn new(settings: &ActorSettings, jitter_seed: u64) -> Self {
        let initial = Duration::from_millis(settings.reconnect_initial_ms);
        let longest = Duration::from_millis(settings.reconnect_max_ms).max(initial);
        Self {
            initial,
            longest,
            next: initial,
            generator: ChaCha8Rng::seed_from_u64(jitter_seed),
        }
    }

    /// The next pause; jitter places it in its upper half.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Duration {
        let jitter: f64 = self.generator.random();
        let pause = self.next.mul_f64(0.5 + 0.5 * jitter);
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    /// Starts again from the shortest pause.
    pub fn reset(&mut self) {
        self.next = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(jitter_seed: u64) -> Backoff {
        let settings = ActorSettings {
            reconnect_initial_ms: 100,
            reconnect_max_ms: 500,
            ..ActorSettings::default()
        };
        Backoff::new(&settings, jitter_seed)
    }

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again() {
        for seed in 0..50 {
            let mut backoff = backoff(seed);
            for longest in [100, 200, 400, 500, 500] {
                let pause = backoff.next();
                let longest = Duration::from_millis(longest);
                assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
            }
            backoff.reset();
            assert!(backoff.next() <= Duration::from_millis(100));
        }
    }

    #[test]
    fn a_seed_gives_the_same_pauses_and_another_one_others() {
        let pauses = |seed| {
            let mut backoff = backoff(seed);
            [(); 10].map(|()| backoff.next())
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
        let distinct: std::collections::HashSet<_> = pauses(1).into_iter().collect();
        assert_eq!(distinct.len(), 10);
    }
}
