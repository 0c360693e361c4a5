use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::experiment::Experiment;
use troop_common::weights::Weights;
use troop_replay::available_memory;

use super::acting::Acting;
use super::identity::Identity;
use super::loaded_weights::LoadedWeights;
use super::stop::Stop;
use super::training::{Computed, Training};
use super::worker_error::WorkerError;
use super::worker_parts::worker_parts;
use super::working::working;
use crate::environment::{self, VectorEnvironment};
use crate::link::{Link, LinkClosed};
use crate::method::{Advice, Batch, MethodParts, OwnExperience};
use crate::metrics::ActorMetrics;
use crate::nn::Network;

/// A worker that acts and trains: takes the newest weights, lives through a segment, computes the
/// gradients that follow it, and again. It holds one session with the learner.
pub struct Bundled {
    network: Arc<Network>,
    halves: Halves,
    experience: Box<dyn OwnExperience>,
    /// Draws all that the method draws.
    rng: ChaCha8Rng,
    metrics: ActorMetrics,
}

/// The half that acts and the half that trains, which have one session.
struct Halves {
    weights: LoadedWeights,
    acting: Acting,
    training: Training,
    link: Box<dyn Link>,
    metrics: ActorMetrics,
}

impl Bundled {
    /// Makes the environments, the method and the model that `experiment` describes.
    ///
    /// # Errors
    /// If the environment cannot start, or nothing can learn in it.
    pub fn new(
        experiment: &Experiment,
        identity: Identity,
        link: Box<dyn Link>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let environment = environment::make(&experiment.environment)?;
        let (parts, rng) = worker_parts(experiment, environment.spaces(), identity)?;
        if let Some(demand) = &parts.replay_demand {
            available_memory::check(demand, identity.workers_here)?;
        }
        let made = (environment, parts, rng);
        Self::of_parts(experiment, made, identity.seed, link, metrics)
    }

    pub(super) fn of_parts(
        experiment: &Experiment,
        (environment, parts, rng): (Box<dyn VectorEnvironment>, MethodParts, ChaCha8Rng),
        seed: u64,
        link: Box<dyn Link>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let network = parts.network;
        let has_target = experiment.method.target_sync().is_some();
        let weights = LoadedWeights::new(&network, experiment, environment.spaces(), has_target)?;
        let acting = Acting::new(
            experiment,
            environment,
            parts.behaviour,
            &network,
            seed,
            metrics.clone(),
        )?
        .keeping_states(parts.keeps_states);
        let objective = parts.objective;
        let halves = Halves {
            weights,
            acting,
            training: Training::new(experiment, objective, &network, seed, metrics.clone()),
            link,
            metrics: metrics.clone(),
        };
        Ok(Self {
            network,
            halves,
            experience: parts.experience,
            rng,
            metrics,
        })
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
        self.halves.link.open(self.network.layout())?;
        self.halves.acting.reset()?;
        loop {
            let weights = self.halves.take_weights()?;
            self.halves.normalize_by(&weights)?;
            match self.halves.collect(&weights, &mut self.rng)? {
                Some(segment) => {
                    self.experience.append(segment);
                    self.learn(weights)?;
                }
                None => self.experience.interrupted(),
            }
        }
    }

    /// Sends the gradients that follow a segment: that of the policy that acted on the weights that it was
    /// acted with, the others on the newest.
    fn learn(&mut self, mut weights: Arc<Weights>) -> Result<(), Stop> {
        let halves = &mut self.halves;
        loop {
            let started = Instant::now();
            let frames = halves.acting.frames();
            let Some(batch) = self.experience.next(frames, &mut self.rng) else {
                return Ok(());
            };
            let drawing = started.elapsed();
            if !batch.is_of_acting_weights() {
                weights = halves.take_weights()?;
            }
            if batch.is_remembered() {
                halves.normalize_by(&weights)?;
            }
            let keys = batch.keys().to_vec();
            let computed = halves.compute(batch, drawing, &mut self.rng)?;
            self.experience.reprioritise(&keys, &computed.td_errors);
            match computed.advice {
                Advice::Learn => halves.push(&weights)?,
                Advice::Withhold => {}
                Advice::LeaveRest => self.experience.leave_rest(),
            }
            if !computed.is_finite {
                // What the network carries on may be the cause, or have become part of it.
                halves.acting.forget_state();
            }
        }
    }
}

impl Halves {
    /// The newest weights, loaded; both halves hear of it.
    fn take_weights(&mut self) -> Result<Arc<Weights>, Stop> {
        let taken = self.weights.take(&mut *self.link, &self.metrics)?;
        if let Some(news) = taken.news {
            let loaded = self.acting.load(&taken.weights);
            loaded.map_err(WorkerError::from)?;
            self.training
                .weights_loaded(&taken.weights.parameters, news.updates);
        }
        Ok(taken.weights)
    }

    /// Observations are shown by the moments that came with these weights; all networks hear of it.
    fn normalize_by(&mut self, weights: &Weights) -> Result<(), WorkerError> {
        if let Some(normalization) = self.weights.normalize_by(weights)? {
            self.training.normalized_by(normalization);
        }
        Ok(())
    }

    fn collect(
        &mut self,
        weights: &Weights,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<&mut Segment>, WorkerError> {
        self.acting.collect(self.weights.online(), weights, rng)
    }

    fn compute(
        &mut self,
        batch: Batch<'_>,
        drawing: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Result<Computed, WorkerError> {
        self.training
            .compute(&mut self.weights, batch, drawing, rng)
    }

    fn push(&mut self, weights: &Weights) -> Result<(), LinkClosed> {
        let report = self.acting.report();
        self.training.push(&mut *self.link, weights, report)
    }
}
