//! Returns and lengths of episodes, from raw rewards.

use troop_common::experience::End;
use troop_common::proto::v1::Episode;

/// Sums each environment's episode until it ends.
#[derive(Clone, Debug)]
pub struct EpisodeStatistics {
    running: Vec<Episode>,
    finished: Vec<Episode>,
}

impl EpisodeStatistics {
    /// For `environments` environments.
    pub fn new(environments: usize) -> Self {
        Self {
            running: vec![Episode::default(); environments],
            finished: Vec::new(),
        }
    }

    /// Counts one step of every environment: rewards `[E]` and ends `[E]`.
    pub fn record(&mut self, rewards: &[f32], ends: &[End]) {
        for ((episode, reward), end) in self.running.iter_mut().zip(rewards).zip(ends) {
            episode.return_sum += f64::from(*reward);
            episode.length += 1;
            if !matches!(end, End::Continues | End::LifeLost) {
                self.finished.push(std::mem::take(episode));
            }
        }
    }

    /// Forgets unfinished episodes, after the environments were reset.
    pub fn restart(&mut self) {
        self.running.fill(Episode::default());
    }

    /// What each environment's unfinished episode has come to.
    pub fn running(&self) -> &[Episode] {
        &self.running
    }

    /// The episodes that ended since the last call.
    pub fn take_finished(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_life_ends_no_episode() {
        let mut statistics = EpisodeStatistics::new(1);
        for (reward, end) in [
            (1.0, End::LifeLost),
            (2.0, End::Continues),
            (3.0, End::LifeLost),
        ] {
            statistics.record(&[reward], &[end]);
        }
        assert_eq!(statistics.take_finished(), []);
        statistics.record(&[4.0], &[End::Terminated]);
        let whole = Episode {
            return_sum: 10.0,
            length: 4,
        };
        assert_eq!(statistics.take_finished(), [whole]);
    }

    #[test]
    fn each_environment_has_its_own_episodes() {
        let mut statistics = EpisodeStatistics::new(2);
        statistics.record(&[1.0, 10.0], &[End::Continues, End::Terminated]);
        statistics.record(&[2.0, 20.0], &[End::Truncated, End::Continues]);
        statistics.restart();
        statistics.record(&[5.0, 7.0], &[End::Terminated, End::Terminated]);
        let episode = |return_sum, length| Episode { return_sum, length };
        assert_eq!(
            statistics.take_finished(),
            [
                episode(10.0, 1),
                episode(3.0, 2),
                episode(5.0, 1),
                episode(7.0, 1)
            ]
        );
        assert_eq!(statistics.take_finished(), []);
    }
}
