use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use troop_common::experiment::{LearnerSettings, OptimizerSettings};
use troop_common::wire::Elements;
use troop_learner::apply::{Rule, Step, StripedParameters};

/// It is measured for at least this long.
const LIMIT: Duration = Duration::from_millis(400);

/// How fast one thread applies a gradient that is there already: the learner's work without the
/// wire.
#[derive(Debug, Serialize)]
pub(super) struct OptimizerAlone {
    pub(super) steps_per_second: f64,
    /// Of gradients, 4 bytes an element; parameters and statistics do not count.
    gigabytes_per_second: f64,
}

impl OptimizerAlone {
    /// Measures the rule of this name [optimizer.name] with so many parameters.
    ///
    /// # Errors
    /// If there is no such rule.
    pub(super) fn measure(name: &str, parameters: usize) -> anyhow::Result<Self> {
        let rule = Rule::new(&OptimizerSettings {
            name: serde_json::from_value(Value::from(name)).context("unknown optimiser")?,
            ..OptimizerSettings::default()
        });
        let gradient = Elements::from(vec![1e-6; parameters]);
        let stripes = LearnerSettings::default().stripes;
        let parameters = StripedParameters::new(rule, &vec![0.5; parameters], &[], stripes);
        let step = |number| {
            let step = Step {
                scale: 1.0,
                rate: 1e-6,
                number,
                compensation: None,
            };
            parameters.apply(black_box(&gradient), &step);
        };
        // The first step fills the caches.
        step(1);
        let started = Instant::now();
        let mut steps = 0;
        while started.elapsed() < LIMIT {
            steps += 1;
            step(1 + steps);
        }
        let steps_per_second = steps as f64 / started.elapsed().as_secs_f64();
        let gradient_bytes = (gradient.len() * size_of::<f32>()) as f64;
        Ok(Self {
            steps_per_second,
            gigabytes_per_second: steps_per_second * gradient_bytes / 1e9,
        })
    }
}
