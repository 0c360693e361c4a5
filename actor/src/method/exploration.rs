//! ε-greedy with a final ε that each worker draws (Mnih et al. 2016, §5.1).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{EpsilonChoice, ExplorationSettings};

/// One worker's ε over the frames of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpsilonGreedy {
    initial: f64,
    last: f64,
    anneal_frames: u64,
}

impl EpsilonGreedy {
    /// Draws the worker's final ε.
    pub fn draw(settings: &ExplorationSettings, rng: &mut ChaCha8Rng) -> Self {
        let mut left: f64 = rng.random::<f64>()
            * settings
                .epsilon_final
                .iter()
                .map(|c| c.probability)
                .sum::<f64>();
        let mut taken = |choice: &&EpsilonChoice| {
            left -= choice.probability;
            left < 0.0
        };
        let choice = settings
            .epsilon_final
            .iter()
            .find(&mut taken)
            .or(settings.epsilon_final.last());
        Self {
            initial: settings.epsilon_initial,
            last: choice.map_or(settings.epsilon_initial, |choice| choice.epsilon),
            anneal_frames: settings.anneal_frames,
        }
    }

    /// ε when the run has taken `frames`.
    pub fn at(self, frames: u64) -> f64 {
        let done = (frames as f64 / self.anneal_frames.max(1) as f64).min(1.0);
        self.initial + done * (self.last - self.initial)
    }

    /// Replaces each greedy action by a random one out of `n` with probability ε.
    pub fn mix(self, greedy: &mut [i64], n: usize, frames: u64, rng: &mut ChaCha8Rng) {
        let epsilon = self.at(frames);
        for action in greedy {
            if rng.random::<f64>() < epsilon {
                *action = rng.random_range(0..n as i64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn final_epsilons_are_drawn_as_in_the_paper() {
        let settings = ExplorationSettings::default();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..10_000)
            .map(|_| EpsilonGreedy::draw(&settings, &mut rng).last)
            .collect();
        for (epsilon, probability) in [(0.1, 0.4), (0.01, 0.3), (0.5, 0.3)] {
            let found = draws.iter().filter(|d| **d == epsilon).count() as f64 / 10_000.0;
            assert!((found - probability).abs() < 0.02, "{epsilon}: {found}");
        }
    }

    #[test]
    fn epsilon_is_annealed_linearly_and_then_stays() {
        let epsilon = EpsilonGreedy {
            initial: 1.0,
            last: 0.1,
            anneal_frames: 100,
        };
        let check = |frames, expected: f64| assert!((epsilon.at(frames) - expected).abs() < 1e-12);
        check(0, 1.0);
        check(50, 0.55);
        check(100, 0.1);
        check(1000, 0.1);
    }

    #[test]
    fn a_share_of_epsilon_is_random() {
        let epsilon = EpsilonGreedy {
            initial: 0.5,
            last: 0.5,
            anneal_frames: 1,
        };
        let mut actions = vec![0; 10_000];
        epsilon.mix(&mut actions, 2, 0, &mut ChaCha8Rng::seed_from_u64(1));
        let moved = actions.iter().filter(|a| **a == 1).count() as f64 / 10_000.0;
        assert!((moved - 0.25).abs() < 0.02, "{moved}");
    }
}
