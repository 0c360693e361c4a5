//! The learning rate by env steps.

use troop_common::experiment::{Anneal, OptimizerSettings};

/// η as a function of the env steps counted so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearningRate {
    initial: f64,
    anneal: Anneal,
    total_env_steps: u64,
}

impl LearningRate {
    pub(crate) fn new(settings: &OptimizerSettings, total_env_steps: u64) -> Self {
        Self {
            initial: settings.learning_rate,
            anneal: settings.anneal,
            total_env_steps,
        }
    }

    pub(crate) fn at(self, env_steps: u64) -> f64 {
        match self.anneal {
            Anneal::Constant => self.initial,
            Anneal::Linear => {
                let left = self.total_env_steps.saturating_sub(env_steps);
                self.initial * left as f64 / self.total_env_steps.max(1) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_annealing_reaches_zero_at_the_runs_end_and_stays() {
        let settings = OptimizerSettings {
            learning_rate: 0.8,
            ..OptimizerSettings::default()
        };
        let rate = LearningRate::new(&settings, 1000);
        let check =
            |env_steps, expected: f64| assert!((rate.at(env_steps) - expected).abs() < 1e-12);
        check(0, 0.8);
        check(250, 0.6);
        check(1000, 0.0);
        check(2000, 0.0);
    }
}
