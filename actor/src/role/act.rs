use std::convert::Infallible;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Experiment;

use super::acting::Acting;
use super::identity::Identity;
use super::loaded_weights::LoadedWeights;
use super::stop::Stop;
use super::timed::timed;
use super::worker_error::WorkerError;
use super::worker_parts::worker_parts;
use super::working::working;
use crate::environment;
use crate::link::{ReplayWriter, ReportLink};
use crate::method::{MethodError, SharedExperience};
use crate::metrics::ActorMetrics;
use crate::nn::Network;

/// A worker that acts: takes the newest weights, lives through a segment, tells the learner of it, hands it
/// to the replay, and again. It holds one session with the learner, and sends no gradients.
pub struct Act {
    network: Arc<Network>,
    weights: LoadedWeights,
    acting: Acting,
    shared: SharedExperience,
    environments: usize,
    link: Box<dyn ReportLink>,
    replay: Box<dyn ReplayWriter>,
    /// Draws all that the behaviour draws.
    rng: ChaCha8Rng,
    metrics: ActorMetrics,
}

impl Act {
    /// Makes the environments, the method and the model that `experiment` describes.
    ///
    /// # Errors
    /// If the environment cannot start, or nothing can learn in it from a replay that workers share.
    pub fn new(
        experiment: &Experiment,
        identity: Identity,
        link: Box<dyn ReportLink>,
        replay: Box<dyn ReplayWriter>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let environment = environment::make(&experiment.environment)?;
        let environments = environment.count();
        let (parts, rng) = worker_parts(experiment, environment.spaces(), identity)?;
        let network = parts.network;
        let weights = LoadedWeights::new(&network, experiment, environment.spaces(), false)?;
        let acting = Acting::new(
            experiment,
            environment,
            parts.behaviour,
            &network,
            identity.seed,
            metrics.clone(),
        )?
        .keeping_states(parts.keeps_states);
        Ok(Self {
            weights,
            acting,
            shared: parts.shared.ok_or(MethodError::SharesNothing)?,
            environments,
            network,
            link,
            replay,
            rng,
            metrics,
        })
    }

    /// The network that acts.
    #[cfg(test)]
    pub(super) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network)
    }

    /// Works until the run is over.
    ///
    /// # Errors
    /// If it cannot go on although the run does.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        let metrics = self.metrics.clone();
        working(&metrics, || self.work())
    }

    fn work(&mut self) -> Result<Infallible, Stop> {
        self.link.open(self.network.layout())?;
        self.replay.open(&self.shared.replay, self.environments)?;
        self.acting.reset()?;
        loop {
            let taken = self.weights.take(&mut *self.link, &self.metrics)?;
            let weights = taken.weights;
            if taken.news.is_some() {
                self.acting.load(&weights).map_err(WorkerError::from)?;
            }
            self.weights.normalize_by(&weights)?;
            let online = self.weights.online();
            let Some(segment) = self.acting.collect(online, &weights, &mut self.rng)? else {
                self.replay.interrupted()?;
                continue;
            };
            timed(&self.metrics.replay_wait, || self.replay.append(segment))?;
            self.link.report(weights.epoch, &self.acting.report())?;
        }
    }
}
