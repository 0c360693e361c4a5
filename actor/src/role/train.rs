use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::spaces::Spaces;
use troop_common::weights::Weights;
use troop_replay::Drawn;

use super::identity::Identity;
use super::loaded_weights::LoadedWeights;
use super::stop::Stop;
use super::timed::timed;
use super::training::Training;
use super::worker_error::WorkerError;
use super::worker_parts::worker_parts;
use super::working::working;
use crate::link::{Link, LinkClosed, ReplayReader};
use crate::method::{Advice, Batch, MethodError, SharedExperience};
use crate::metrics::ActorMetrics;
use crate::nn::Network;

/// A worker that trains: takes the newest weights, draws experience that others have lived through, sends its
/// gradient, and again. It holds one session with the learner, and has no environment.
pub struct Train {
    network: Arc<Network>,
    weights: LoadedWeights,
    training: Training,
    shared: SharedExperience,
    frame_skip: u64,
    link: Box<dyn Link>,
    replay: Box<dyn ReplayReader>,
    /// Draws what is learnt from.
    rng: ChaCha8Rng,
    metrics: ActorMetrics,
}

impl Train {
    /// Makes the method and the model that `experiment` describes, for the `spaces` of those who act.
    ///
    /// # Errors
    /// If the method cannot learn there, or from a replay that workers share.
    pub fn new(
        experiment: &Experiment,
        spaces: &Spaces,
        identity: Identity,
        link: Box<dyn Link>,
        replay: Box<dyn ReplayReader>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let (parts, rng) = worker_parts(experiment, spaces, identity)?;
        let network = parts.network;
        let has_target = experiment.method.target_sync().is_some();
        Ok(Self {
            weights: LoadedWeights::new(&network, experiment, spaces, has_target)?,
            training: Training::new(
                experiment,
                parts.objective,
                &network,
                identity.seed,
                metrics.clone(),
            ),
            shared: parts.shared.ok_or(MethodError::SharesNothing)?,
            frame_skip: u64::from(experiment.environment.frame_skip()),
            network,
            link,
            replay,
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
        self.link.open(self.network.layout())?;
        loop {
            let weights = self.take_weights()?;
            let drawn = self.draw(&weights)?;
            let batch = Batch::of_items(&drawn.items);
            let (training, rng) = (&mut self.training, &mut self.rng);
            let computed = training.compute(&mut self.weights, batch, Duration::ZERO, rng)?;
            self.replay.reprioritise(drawn.keys(), &computed.td_errors);
            if computed.advice == Advice::Learn {
                let nothing = v1::Report::default();
                self.training.push(&mut *self.link, &weights, nothing)?;
            }
        }
    }

    fn take_weights(&mut self) -> Result<Arc<Weights>, Stop> {
        let taken = self.weights.take(&mut *self.link, &self.metrics)?;
        if let Some(news) = taken.news {
            self.training
                .weights_loaded(&taken.weights.parameters, news.updates);
        }
        if let Some(normalization) = self.weights.normalize_by(&taken.weights)? {
            self.training.normalized_by(normalization);
        }
        Ok(taken.weights)
    }

    /// What the next gradient is of.
    fn draw(&mut self, weights: &Weights) -> Result<Drawn, LinkClosed> {
        let frames = weights.env_steps.saturating_mul(self.frame_skip);
        let importance = (self.shared.importance_exponent)(frames);
        let (replay, rng) = (&mut self.replay, &mut self.rng);
        let drawn = timed(&self.metrics.replay_wait, || {
            replay.draw(self.shared.items, importance, weights.version, rng)
        })?;
        for acted in &drawn.versions {
            let age = weights.version.saturating_sub(*acted);
            self.metrics.experience_age.observe(age as f64);
        }
        Ok(drawn)
    }
}
