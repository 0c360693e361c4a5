//! Whether the target network is older than the gradients that learn from it.

use std::sync::OnceLock;

use troop_common::experiment::{Experiment, StalenessPolicy, TargetSync};

use crate::ledger::Ledger;
use crate::ledger::journal::Occurrence;

/// A target network that lives for less than this many updates of each worker is about as young as the
/// weights that gradients were computed on, W − 1 updates old with W workers: what is learnt from and
/// what learns move together, and values oscillate.
const LEAST_UPDATES_PER_WORKER: f64 = 3.0;

/// Updates between two refreshes of the target network with so many workers; none if there is no such
/// network, or no gradient is old.
fn period(experiment: &Experiment, workers: u64) -> Option<f64> {
    if experiment.learner.staleness == StalenessPolicy::Synchronous {
        return None;
    }
    Some(match experiment.method.target_sync()? {
        TargetSync::Updates(updates) => updates as f64,
        TargetSync::UpdatesPerWorker(updates) => updates as f64 * workers as f64,
        TargetSync::Frames(frames) => {
            let environment = &experiment.environment;
            let environments = environment.envs_per_worker as u64;
            let env_steps = experiment.method.env_steps_per_gradient(environments);
            frames as f64 / (env_steps * f64::from(environment.frame_skip()))
        }
    })
}

/// Warns of a target network that is refreshed too often for so many workers, the first time that it is.
pub(super) fn warn_once(
    warned: &OnceLock<()>,
    experiment: &Experiment,
    workers: u64,
    ledger: &Ledger,
) {
    let least = LEAST_UPDATES_PER_WORKER * workers as f64;
    let Some(updates) = period(experiment, workers).filter(|period| *period < least) else {
        return;
    };
    if warned.set(()).is_err() {
        return;
    }
    let message =
        "the target network is about as young as the gradients are old: values may oscillate";
    let advice = "set method.target_sync = { updates_per_worker = N } with N above 3";
    tracing::warn!(updates, workers, least, advice, "{message}");
    let occurrence = Occurrence::warning(message).with("updates", updates);
    ledger.note(occurrence.with("workers", workers).with("advice", advice));
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::experiment::Preset;

    fn of(target_sync: &str) -> Experiment {
        let text = format!(
            "[environment]\nenvs_per_worker = 4\n[method]\nname = \"one_step_q\"\nt_max = 5\n\
             target_sync = {target_sync}"
        );
        Experiment::from_toml(&text).unwrap()
    }

    #[test]
    fn the_period_in_updates_follows_from_the_unit() {
        assert_eq!(period(&of("{ updates = 10 }"), 8), Some(10.0));
        assert_eq!(period(&of("{ updates_per_worker = 10 }"), 8), Some(80.0));
        // 5 env steps of 4 environments an update.
        assert_eq!(period(&of("{ frames = 40_000 }"), 8), Some(2_000.0));
        assert_eq!(period(&Experiment::default(), 8), None);
        let mut synchronous = of("{ updates = 1 }");
        synchronous.learner.staleness = StalenessPolicy::Synchronous;
        assert_eq!(period(&synchronous, 8), None);
    }

    #[test]
    fn presets_suit_the_workers_that_they_begin_with() {
        for preset in troop_common::experiment::PRESETS {
            let experiment = Preset::find(preset.name).unwrap().experiment().unwrap();
            let workers = experiment.actor.workers.max(1) as u64;
            if let Some(period) = period(&experiment, workers) {
                assert!(
                    period >= LEAST_UPDATES_PER_WORKER * workers as f64,
                    "{}",
                    preset.name
                );
            }
        }
    }
}
