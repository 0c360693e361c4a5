//! The learning rate by env steps.

use troop_common::experiment::{Anneal, OptimizerSettings};

/// η as a function of the env steps counted so far: annealed, and warmed up if asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearningRate {
    initial: f64,
    last: f64,
    warmup_env_steps: u64,
    total_env_steps: u64,
}

impl LearningRate {
    pub(crate) fn new(settings: &OptimizerSettings, total_env_steps: u64) -> Self {
        Self {
            initial: settings.learning_rate,
            last: match settings.anneal {
                Anneal::Constant => settings.learning_rate,
                Anneal::Linear => settings.final_learning_rate,
            },
            warmup_env_steps: settings.warmup_env_steps,
            total_env_steps,
        }
    }

    pub(crate) fn at(self, env_steps: u64) -> f64 {
        self.annealed(env_steps) * self.warmth(env_steps)
    }

    fn annealed(self, env_steps: u64) -> f64 {
        let left = self.total_env_steps.saturating_sub(env_steps);
        let left = left as f64 / self.total_env_steps.max(1) as f64;
        self.last + (self.initial - self.last) * left
    }

    /// From just above 0 to 1: the first gradient counts too.
    fn warmth(self, env_steps: u64) -> f64 {
        if env_steps < self.warmup_env_steps {
            (env_steps + 1) as f64 / self.warmup_env_steps as f64
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut settings: OptimizerSettings, expected: &[(u64, f64)]) {
        settings.learning_rate = 0.8;
        let rate = LearningRate::new(&settings, 1000);
        for (env_steps, expected) in expected {
            let found = rate.at(*env_steps);
            assert!((found - expected).abs() < 1e-12, "{env_steps}: {found}");
        }
    }

    #[test]
    fn linear_annealing_reaches_zero_at_the_runs_end_and_stays() {
        let settings = OptimizerSettings::default();
        check(settings, &[(0, 0.8), (250, 0.6), (1000, 0.0), (2000, 0.0)]);
    }

    #[test]
    fn linear_annealing_can_end_above_zero() {
        let settings = OptimizerSettings {
            final_learning_rate: 0.4,
            ..OptimizerSettings::default()
        };
        check(settings, &[(0, 0.8), (250, 0.7), (1000, 0.4), (2000, 0.4)]);
    }

    #[test]
    fn a_constant_rate_stays_whatever_the_final_one() {
        let settings = OptimizerSettings {
            anneal: Anneal::Constant,
            final_learning_rate: 0.4,
            ..OptimizerSettings::default()
        };
        check(settings, &[(0, 0.8), (999, 0.8), (2000, 0.8)]);
    }

    #[test]
    fn warm_up_multiplies_what_annealing_says() {
        let settings = |anneal| OptimizerSettings {
            anneal,
            warmup_env_steps: 100,
            ..OptimizerSettings::default()
        };
        let constant = [(0, 0.008), (49, 0.4), (99, 0.8), (100, 0.8), (1000, 0.8)];
        check(settings(Anneal::Constant), &constant);
        let linear = [(0, 0.008), (99, 0.8 * 0.901), (100, 0.72), (1000, 0.0)];
        check(settings(Anneal::Linear), &linear);
    }
}
