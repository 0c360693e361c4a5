use std::collections::VecDeque;
use std::time::Duration;

/// Rates are averaged over the last this many seconds.
const WINDOW: Duration = Duration::from_secs(10);

/// At most one sample in this time, so that the window stays small.
const SAMPLE: Duration = Duration::from_millis(250);

/// What was counted in the last seconds, to tell how fast it grows.
#[derive(Debug)]
pub(crate) struct RateWindow(VecDeque<Sample>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    env_steps: u64,
    updates: u64,
}

impl RateWindow {
    /// Begins with what had been counted when this life began.
    pub(crate) fn new(env_steps: u64, updates: u64) -> Self {
        Self(VecDeque::from([Sample {
            at: Duration::ZERO,
            env_steps,
            updates,
        }]))
    }

    /// Notes what has been counted at `now`.
    pub(crate) fn sample(&mut self, env_steps: u64, updates: u64, now: Duration) {
        if self.0.back().is_some_and(|last| now < last.at + SAMPLE) {
            return;
        }
        self.0.push_back(Sample {
            at: now,
            env_steps,
            updates,
        });
        while self.0.len() > 2 && self.0[1].at + WINDOW <= now {
            self.0.pop_front();
        }
    }

    /// Env steps and updates a second, if so many have been counted at `now`.
    pub(crate) fn per_second(&self, env_steps: u64, updates: u64, now: Duration) -> (f64, f64) {
        let Some(first) = self.0.front() else {
            return (0.0, 0.0);
        };
        let seconds = now.saturating_sub(first.at).as_secs_f64().max(1e-3);
        let rate = |count: u64, before: u64| count.saturating_sub(before) as f64 / seconds;
        let updates = rate(updates, first.updates);
        (rate(env_steps, first.env_steps), updates)
    }
}
