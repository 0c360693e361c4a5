use serde::Serialize;

use super::training::Window;

/// What all workers' time together went to, each as a part of 1.
#[derive(Debug, Serialize)]
pub(super) struct Shares {
    environment: f64,
    acting: f64,
    gradient: f64,
    waiting_for_weights: f64,
    waiting_to_push: f64,
    waiting_for_replay: f64,
    /// Targets, segments, episodes, reports: what is timed nowhere.
    other: f64,
}

impl Shares {
    pub(super) fn of(window: &Window) -> Self {
        let all = window.workers() * window.seconds;
        let share = |metric: &str| window.rise(&format!("troop_actor_{metric}_seconds_sum")) / all;
        let mut shares = Self {
            environment: share("step"),
            acting: share("inference"),
            gradient: share("gradient"),
            waiting_for_weights: share("weights_wait"),
            waiting_to_push: share("push_wait"),
            waiting_for_replay: share("replay_wait"),
            other: 0.0,
        };
        shares.other = (1.0 - shares.timed()).max(0.0);
        shares
    }

    fn timed(&self) -> f64 {
        self.environment
            + self.acting
            + self.gradient
            + self.waiting_for_weights
            + self.waiting_to_push
            + self.waiting_for_replay
    }
}
