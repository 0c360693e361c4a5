//! ε-greedy: annealed to a final ε that each worker draws (Mnih et al. 2016, §5.1), or a constant
//! from a ladder of workers (Horgan et al. 2018, §4).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{EpsilonChoice, ExplorationSchedule, ExplorationSettings};

/// One worker's ε over the frames of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpsilonGreedy {
    initial: f64,
    last: f64,
    anneal_frames: u64,
}

impl EpsilonGreedy {
    /// That of worker `index`; `workers` is how many there are where the settings do not say so.
    pub fn of_worker(
        settings: &ExplorationSettings,
        workers: usize,
        index: usize,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        match settings.schedule {
            ExplorationSchedule::Annealed => Self::draw(settings, rng),
            ExplorationSchedule::Ladder => Self::ladder(settings, workers, index),
        }
    }

    /// `ε_i = ε^{1 + α i/(N−1)}`; a single worker has `ε`, and worker `N` is worker 0 again.
    fn ladder(settings: &ExplorationSettings, workers: usize, index: usize) -> Self {
        let workers = match settings.ladder_workers {
            0 => workers.max(1),
            chosen => chosen,
        };
        let place = (index % workers) as f64 / (workers - 1).max(1) as f64;
        let epsilon = settings
            .ladder_epsilon
            .powf(1.0 + settings.ladder_exponent * place);
        Self {
            initial: epsilon,
            last: epsilon,
            anneal_frames: 1,
        }
    }

    /// Draws the worker's final ε.
    fn draw(settings: &ExplorationSettings, rng: &mut ChaCha8Rng) -> Self {
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

    /// Replaces each greedy action by a random one with probability ε: one out of `n`, or out of
    /// those that `masks` `[E, n]` leave open.
    pub fn mix(
        self,
        greedy: &mut [i64],
        n: usize,
        masks: Option<&[bool]>,
        frames: u64,
        rng: &mut ChaCha8Rng,
    ) {
        let epsilon = self.at(frames);
        for (row, action) in greedy.iter_mut().enumerate() {
            if rng.random::<f64>() < epsilon {
                *action = match masks {
                    None => rng.random_range(0..n as i64),
                    Some(masks) => random_open(&masks[row * n..(row + 1) * n], rng),
                };
            }
        }
    }
}

fn random_open(mask: &[bool], rng: &mut ChaCha8Rng) -> i64 {
    let open = mask.iter().filter(|open| **open).count();
    let chosen = rng.random_range(0..open.max(1));
    let mut indices = (0..).zip(mask).filter(|(_, open)| **open);
    indices.nth(chosen).map_or(0, |(index, _)| index)
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
        epsilon.mix(&mut actions, 2, None, 0, &mut ChaCha8Rng::seed_from_u64(1));
        let moved = actions.iter().filter(|a| **a == 1).count() as f64 / 10_000.0;
        assert!((moved - 0.25).abs() < 0.02, "{moved}");
    }

    #[test]
    fn the_ladder_has_the_papers_rungs() {
        let rungs = |ladder_workers| ExplorationSettings {
            schedule: ExplorationSchedule::Ladder,
            ladder_workers,
            ..ExplorationSettings::default()
        };
        let (settings, of_actor) = (rungs(360), rungs(0));
        let at = |settings, workers, index| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            EpsilonGreedy::of_worker(settings, workers, index, &mut rng).at(12_345)
        };
        let check = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-12);
        check(at(&settings, 2, 0), 0.4);
        check(at(&settings, 2, 359), 6.5536e-4);
        check(at(&settings, 2, 360), 0.4);
        check(at(&of_actor, 1, 0), 0.4);
        check(at(&of_actor, 1, 3), 0.4);
        check(at(&of_actor, 8, 1), 0.4_f64.powi(2));
        check(at(&of_actor, 8, 7), 6.5536e-4);
    }
}
