use serde::{Deserialize, Serialize};

use super::settings::settings;
use super::violation::Violations;

/// How far from 1 the sum of probabilities may be.
const PROBABILITY_TOLERANCE: f64 = 1e-6;

/// One final ε and how often a worker draws it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpsilonChoice {
    /// The probability of a random action once annealed.
    pub epsilon: f64,
    /// The probability that a worker draws this choice.
    pub probability: f64,
}

/// Where a worker's ε comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplorationSchedule {
    /// Annealed to a final ε that each worker draws (Mnih et al. 2016, §5.1).
    #[default]
    Annealed,
    /// A constant for each worker, `ε_i = ε^{1 + α i/(N−1)}` (Horgan et al. 2018, §4).
    Ladder,
}

const fn choice(epsilon: f64, probability: f64) -> EpsilonChoice {
    EpsilonChoice {
        epsilon,
        probability,
    }
}

settings! {
    /// `[exploration]`: ε-greedy of value methods.
    pub struct ExplorationSettings {
        /// ε is annealed to a final one that each worker draws (Mnih et al. 2016, §5.1), or a constant `ε_i = ε^(1 +
        /// α·i/(N−1))` of worker i (Horgan et al. 2018, §4).
        pub schedule: ExplorationSchedule = ExplorationSchedule::Annealed,
        /// ε, the probability of a random action, at the start of the run.
        #[unit = "probability"]
        pub epsilon_initial: f64 = 1.0,
        /// Each worker draws its final ε from these; the probabilities sum to 1.
        #[unit = "probabilities"]
        pub epsilon_final: Vec<EpsilonChoice> = vec![choice(0.1, 0.4), choice(0.01, 0.3), choice(0.5, 0.3)],
        /// ε is annealed linearly over the first this many frames of the run.
        #[unit = "frames"]
        pub anneal_frames: u64 = 4_000_000,
        /// `ladder`: ε, that of the first worker.
        #[unit = "probability"]
        pub ladder_epsilon: f64 = 0.4,
        /// `ladder`: α; the last worker has `ε^(1 + α)`.
        pub ladder_exponent: f64 = 7.0,
        /// `ladder`: N, all workers of the run; 0 takes `actor.workers`. The learner numbers its workers from 0;
        /// number N starts the ladder again.
        #[unit = "workers"]
        pub ladder_workers: usize = 0,
    }
}

impl ExplorationSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, workers: usize, violations: &mut Violations) {
        let chance = 0.0..=1.0;
        violations.expect(
            chance.contains(&self.epsilon_initial),
            "exploration.epsilon_initial",
            "must be from 0 to 1: it is a probability",
        );
        let choices = &self.epsilon_final;
        let all_chances = choices
            .iter()
            .all(|one| chance.contains(&one.epsilon) && chance.contains(&one.probability));
        violations.expect(
            all_chances,
            "exploration.epsilon_final",
            "must have every `epsilon` and `probability` from 0 to 1",
        );
        let sum: f64 = choices.iter().map(|choice| choice.probability).sum();
        violations.expect(
            (sum - 1.0).abs() <= PROBABILITY_TOLERANCE,
            "exploration.epsilon_final",
            format!(
                "must have probabilities that sum to 1, they sum to {sum}: each worker draws one"
            ),
        );
        violations.expect(
            chance.contains(&self.ladder_epsilon),
            "exploration.ladder_epsilon",
            "must be from 0 to 1: it is a probability",
        );
        violations.expect(
            self.ladder_exponent >= 0.0 && self.ladder_exponent.is_finite(),
            "exploration.ladder_exponent",
            "must be finite and at least 0: later workers explore less",
        );
        violations.expect(
            self.schedule != ExplorationSchedule::Ladder || self.ladder_workers.max(workers) >= 1,
            "exploration.ladder_workers",
            "must be at least 1 where `actor.workers` is 0: nobody else knows how long the ladder is",
        );
    }
}
