use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_actor::environment;
use troop_actor::method::{self, Setting};
use troop_actor::nn::Network;
use troop_common::experiment::{EnvironmentSettings, Experiment};

/// An experiment's network. It takes one of the environments to know their spaces.
///
/// # Errors
/// If the environment cannot start, or the method cannot take it.
pub(super) fn network(experiment: &Experiment) -> anyhow::Result<Arc<Network>> {
    let settings = EnvironmentSettings {
        envs_per_worker: 1,
        ..experiment.environment.clone()
    };
    let environment = environment::make(&settings)?;
    let parts = method::make(&mut Setting {
        experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: &mut ChaCha8Rng::seed_from_u64(0),
    })?;
    Ok(parts.network)
}
