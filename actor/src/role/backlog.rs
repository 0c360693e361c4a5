//! What a worker has lived through and not told yet.

use troop_common::bounds::EPISODES;
use troop_common::proto::v1::{Episode, Report};
use troop_common::report_limits::ReportLimits;

/// Episodes that wait to be told at most.
const MOST_EPISODES: usize = 2 * EPISODES.most;

/// Gathers what a worker lives through until a gradient carries it to the learner. What is more than a
/// report may say waits for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    limits: ReportLimits,
    env_steps: u64,
    environment_restarts: u64,
    episodes: Vec<Episode>,
    /// Whether episodes had to be left out.
    overflown: bool,
}

impl Backlog {
    pub(crate) fn new(limits: ReportLimits) -> Self {
        Self {
            limits,
            env_steps: 0,
            environment_restarts: 0,
            episodes: Vec::new(),
            overflown: false,
        }
    }

    /// Adds a whole segment, and the episodes that have ended.
    pub(crate) fn add_segment(&mut self, env_steps: u64, mut episodes: Vec<Episode>) {
        self.env_steps = self.env_steps.saturating_add(env_steps);
        if self.episodes.is_empty() {
            self.episodes = episodes;
        } else {
            self.episodes.append(&mut episodes);
        }
        if self.episodes.len() > MOST_EPISODES {
            self.episodes.truncate(MOST_EPISODES);
            if !std::mem::replace(&mut self.overflown, true) {
                tracing::warn!(
                    waiting = MOST_EPISODES,
                    "more episodes end than reports may tell of; some are left out"
                );
            }
        }
    }

    /// Adds a host that was restarted.
    pub(crate) fn add_restart(&mut self) {
        self.environment_restarts = self.environment_restarts.saturating_add(1);
    }

    /// Frames that have not been told yet.
    pub(crate) fn frames(&self) -> u64 {
        self.env_steps.saturating_mul(self.limits.frame_skip)
    }

    /// Observations that a report may be of.
    pub(crate) fn most_observations(&self) -> u64 {
        self.limits.env_steps
    }

    /// As much as a report may say.
    pub(crate) fn take(&mut self) -> Report {
        let limits = &self.limits;
        let env_steps = self.env_steps.min(limits.env_steps);
        let environment_restarts = self.environment_restarts.min(limits.environment_restarts);
        self.env_steps -= env_steps;
        self.environment_restarts -= environment_restarts;
        let episodes = self.episodes.len().min(limits.episodes);
        let later = self.episodes.split_off(episodes);
        Report {
            env_steps,
            frames: env_steps.saturating_mul(limits.frame_skip),
            episodes: std::mem::replace(&mut self.episodes, later),
            environment_restarts,
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog() -> Backlog {
        Backlog::new(ReportLimits {
            env_steps: 100,
            frame_skip: 4,
            episodes: 3,
            episode_length: 1_000,
            environment_restarts: 2,
            evaluation_episodes: 0,
        })
    }

    fn episodes(count: usize) -> Vec<Episode> {
        let episode = |length: usize| Episode {
            return_sum: 1.0,
            length: length as u64,
        };
        (1..=count).map(episode).collect()
    }

    #[test]
    fn a_segment_is_told_with_the_next_report() {
        let mut backlog = backlog();
        backlog.add_segment(20, episodes(2));
        backlog.add_restart();
        assert_eq!(backlog.frames(), 80);
        let report = backlog.take();
        let counted = (report.env_steps, report.frames, report.environment_restarts);
        assert_eq!(counted, (20, 80, 1));
        assert_eq!(report.episodes, episodes(2));
        assert_eq!(backlog.take(), Report::default());
    }

    #[test]
    fn what_is_more_than_a_report_may_say_waits_and_nothing_is_lost() {
        let mut backlog = backlog();
        (0..5).for_each(|_| backlog.add_restart());
        backlog.add_segment(230, episodes(7));
        let reports: Vec<Report> = (0..4).map(|_| backlog.take()).collect();
        let steps: Vec<u64> = reports.iter().map(|report| report.env_steps).collect();
        assert_eq!(steps, [100, 100, 30, 0]);
        let frames: Vec<u64> = reports.iter().map(|report| report.frames).collect();
        assert_eq!(frames, [400, 400, 120, 0]);
        let restarts: Vec<u64> = reports.iter().map(|r| r.environment_restarts).collect();
        assert_eq!(restarts, [2, 2, 1, 0]);
        let told: Vec<Episode> = reports.into_iter().flat_map(|r| r.episodes).collect();
        assert_eq!(told, episodes(7));
    }

    #[test]
    fn episodes_that_nobody_can_be_told_of_take_no_memory() {
        let mut backlog = backlog();
        for _ in 0..10 {
            backlog.add_segment(1, episodes(50_000));
        }
        assert_eq!(backlog.episodes.len(), MOST_EPISODES);
    }
}
